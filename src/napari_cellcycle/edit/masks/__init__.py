"""Operations on masks: split, merge, mend their form, draw and copy cells.

A mask is known by its frame and label, as it is also where nothing is tracked yet. All end in
`paint`, so that what they touch is measured, and all other cells stay as they are.
"""
