"""Our gr.HTML components with their scripts and styles."""
