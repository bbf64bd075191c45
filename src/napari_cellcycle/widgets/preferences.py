"""The plugin's page in napari's preferences, read as settings of ours."""

from napari.settings import get_plugin_settings

from napari_cellcycle.config import ComputeSettings

PLUGIN = "napari-cellcycle"


def compute_settings() -> ComputeSettings:
    """Device, memory cap and model folder; the usual ones where napari has no page of ours."""
    try:
        page = get_plugin_settings(PLUGIN).compute
    except (KeyError, AttributeError):
        return ComputeSettings()
    return ComputeSettings(
        device=page.device,
        memory_gb=page.memory_gb or None,
        model_folder=page.model_folder or None,
    )
