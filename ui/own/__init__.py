"""The page for models of one's own: what lies under ``MODELS_DIR`` is checked, merged, handed out.

``shelf`` lists and opens models by name, ``settings`` is what the controls hold and its way to a
recipe, ``reading`` checks what the browser sends, ``files`` reads and writes recipes, ``work``
checks and merges, ``outputs`` keeps what was made, ``services`` runs both in the background;
``page``, ``desk``, ``status`` and ``views`` are the page itself, ``events`` puts it into the app.

Whatever changes settings goes through ``OwnDesk.changed(state, settings, owner)``, which returns
all that follows from them; values by layer are ``OwnSettings.local``.
"""
