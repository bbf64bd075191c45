"""The tracker of cell-tracker-gnn (Ben-Haim & Riklin Raviv, ECCV 2022), written anew."""
