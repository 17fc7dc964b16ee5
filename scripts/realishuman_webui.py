"""What a WebUI runs: hangs our classes and callbacks into the host. All code is in the package.

The package is imported here, at the top, because only now is the extension's folder on sys.path.
Callbacks are registered here, because a reload of the UI runs this file again but not the package.
In a WebUI that we do not know nothing is registered at all.
"""

import logging

from realishuman.webui.host.program import program

if program().why_not:
    logging.getLogger("realishuman").error("RealisHuman: %s", program().why_not)

if program().adapter:
    from modules import script_callbacks, scripts, scripts_postprocessing

    from realishuman.webui import options
    from realishuman.webui.generation import extras, saving, script, xyz
    from realishuman.webui.host import engine
    from realishuman.webui.http import app
    from realishuman.webui.tab import sending, wiring

    class RealisHumanScript(script.AlwaysOn, scripts.Script):
        """Refines every generated picture before it is saved."""

    class RealisHumanPostprocessing(
        extras.Postprocessing, scripts_postprocessing.ScriptPostprocessing
    ):
        """Refines a picture of the Extras tab."""

    def unload() -> None:
        """Give back memory; the host forgets our callbacks by itself."""
        engine.engine().release()

    script_callbacks.on_ui_settings(options.register)
    script_callbacks.on_before_ui(xyz.register)
    script_callbacks.on_image_saved(saving.on_image_saved)
    script_callbacks.on_script_unloaded(unload)

    buttons = sending.Sending()
    script_callbacks.on_after_component(buttons.on_after_component)
    script_callbacks.on_ui_tabs(lambda: wiring.tabs(buttons))
    script_callbacks.on_app_started(app.app_started)
