"""What a WebUI runs: hangs our classes and callbacks into the host. All code is in the package.

The package is imported here, at the top, because only now is the extension's folder on sys.path.
Callbacks are registered here, because a reload of the UI runs this file again but not the package.
In a WebUI that we do not know nothing is registered at all.
"""

import logging

from realishuman.hosts.webui.program import program

if program().why_not:
    logging.getLogger("realishuman").error("RealisHuman: %s", program().why_not)

if program().adapter:
    from modules import script_callbacks, scripts, scripts_postprocessing

    import realishuman.hosts.webui.app
    import realishuman.hosts.webui.engine
    import realishuman.hosts.webui.extras
    import realishuman.hosts.webui.options
    import realishuman.hosts.webui.saving
    import realishuman.hosts.webui.script
    import realishuman.hosts.webui.sending
    import realishuman.hosts.webui.wiring
    import realishuman.hosts.webui.xyz

    webui = realishuman.hosts.webui

    class RealisHumanScript(webui.script.AlwaysOn, scripts.Script):
        """Refines every generated picture before it is saved."""

    class RealisHumanPostprocessing(
        webui.extras.Postprocessing, scripts_postprocessing.ScriptPostprocessing
    ):
        """Refines a picture of the Extras tab."""

    def unload() -> None:
        """Give back memory; the host forgets our callbacks by itself."""
        webui.engine.engine().release()

    script_callbacks.on_ui_settings(webui.options.register)
    script_callbacks.on_before_ui(webui.xyz.register)
    script_callbacks.on_image_saved(webui.saving.on_image_saved)
    script_callbacks.on_script_unloaded(unload)

    sending = webui.sending.Sending()
    script_callbacks.on_after_component(sending.on_after_component)
    script_callbacks.on_ui_tabs(lambda: webui.wiring.tabs(sending))
    script_callbacks.on_app_started(webui.app.app_started)
