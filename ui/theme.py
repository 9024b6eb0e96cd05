"""Our look: a calm, precise instrument. The tokens lie in ``components/tokens.css``."""

import gradio as gr

from ui.components.assets import style_sheet

FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Noto Sans Mono", "monospace")

# Gradio's variables in light and dark alike: the tokens themselves change with the theme.
BOTH = {
    "body_background_fill": "var(--me-paper)",
    "body_text_color": "var(--me-ink)",
    "body_text_color_subdued": "var(--me-soft)",
    "background_fill_primary": "var(--me-panel)",
    "background_fill_secondary": "var(--me-paper)",
    "block_background_fill": "transparent",
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_label_text_color": "var(--me-ink)",
    "block_title_text_color": "var(--me-ink)",
    "block_info_text_color": "var(--me-soft)",
    "border_color_primary": "var(--me-line)",
    "border_color_accent": "var(--me-accent)",
    "color_accent_soft": "var(--me-tint)",
    "slider_color": "var(--me-accent)",
    "input_background_fill": "var(--me-panel)",
    "input_border_color": "var(--me-edge)",
    "checkbox_background_color_selected": "var(--me-accent)",
    "checkbox_border_color_selected": "var(--me-accent)",
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_background_fill_selected": "var(--me-tint)",
    "checkbox_label_text_color_selected": "var(--me-ink)",
    "button_primary_background_fill": "var(--me-accent)",
    "button_primary_background_fill_hover": "var(--me-accent-strong)",
    "button_primary_text_color": "var(--me-on-accent)",
    "button_secondary_background_fill": "var(--me-panel)",
    "button_secondary_border_color": "var(--me-edge)",
    "button_secondary_text_color": "var(--me-ink)",
    "button_primary_border_color": "var(--me-accent)",
    "button_border_width": "1px",
}
LIGHT_ONLY = {
    "block_padding": "0px",
    "block_title_text_weight": "600",
    "color_accent": "var(--me-accent)",
}


def theme() -> gr.themes.Base:
    """Return Gradio's plain theme with our tokens; no font is fetched from anywhere."""
    plain = gr.themes.Base(
        font=list(FONT), font_mono=list(MONO), radius_size=gr.themes.sizes.radius_sm
    )
    return plain.set(
        **BOTH, **{f"{name}_dark": value for name, value in BOTH.items()}, **LIGHT_ONLY
    )


def page_css() -> str:
    """Return the style sheet of the page and its components."""
    return style_sheet()
