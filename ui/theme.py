"""Our look: a calm, precise instrument. Tokens live in ``components/page.css``."""

import gradio as gr

from ui.components.assets import style_sheet

FONT = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Noto Sans Mono", "monospace")


def theme() -> gr.themes.Base:
    """Return Gradio's plain theme with our tokens; no font is fetched from anywhere."""
    return gr.themes.Base(
        font=list(FONT), font_mono=list(MONO), radius_size=gr.themes.sizes.radius_sm
    ).set(
        body_background_fill="var(--me-paper)",
        body_background_fill_dark="var(--me-paper)",
        body_text_color="var(--me-ink)",
        body_text_color_dark="var(--me-ink)",
        body_text_color_subdued="var(--me-soft)",
        body_text_color_subdued_dark="var(--me-soft)",
        background_fill_primary="var(--me-panel)",
        background_fill_primary_dark="var(--me-panel)",
        background_fill_secondary="var(--me-paper)",
        background_fill_secondary_dark="var(--me-paper)",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_shadow="none",
        block_shadow_dark="none",
        block_padding="0px",
        block_label_text_color="var(--me-ink)",
        block_label_text_color_dark="var(--me-ink)",
        block_title_text_color="var(--me-ink)",
        block_title_text_color_dark="var(--me-ink)",
        block_title_text_weight="600",
        block_info_text_color="var(--me-soft)",
        block_info_text_color_dark="var(--me-soft)",
        border_color_primary="var(--me-line)",
        border_color_primary_dark="var(--me-line)",
        border_color_accent="var(--me-accent)",
        border_color_accent_dark="var(--me-accent)",
        color_accent="var(--me-accent)",
        color_accent_soft="var(--me-tint)",
        color_accent_soft_dark="var(--me-tint)",
        slider_color="var(--me-accent)",
        slider_color_dark="var(--me-accent)",
        input_background_fill="var(--me-panel)",
        input_background_fill_dark="var(--me-panel)",
        input_border_color="var(--me-edge)",
        input_border_color_dark="var(--me-edge)",
        checkbox_background_color_selected="var(--me-accent)",
        checkbox_background_color_selected_dark="var(--me-accent)",
        checkbox_border_color_selected="var(--me-accent)",
        checkbox_border_color_selected_dark="var(--me-accent)",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_label_background_fill_selected="var(--me-tint)",
        checkbox_label_background_fill_selected_dark="var(--me-tint)",
        checkbox_label_text_color_selected="var(--me-ink)",
        checkbox_label_text_color_selected_dark="var(--me-ink)",
        button_primary_background_fill="var(--me-accent)",
        button_primary_background_fill_dark="var(--me-accent)",
        button_primary_background_fill_hover="var(--me-accent-strong)",
        button_primary_background_fill_hover_dark="var(--me-accent-strong)",
        button_primary_text_color="var(--me-on-accent)",
        button_primary_text_color_dark="var(--me-on-accent)",
        button_secondary_background_fill="var(--me-panel)",
        button_secondary_background_fill_dark="var(--me-panel)",
        button_secondary_border_color="var(--me-edge)",
        button_secondary_border_color_dark="var(--me-edge)",
        button_secondary_text_color="var(--me-ink)",
        button_secondary_text_color_dark="var(--me-ink)",
        button_primary_border_color="var(--me-accent)",
        button_primary_border_color_dark="var(--me-accent)",
        button_border_width="1px",
        button_border_width_dark="1px",
    )


def page_css() -> str:
    """Return the style sheet of the page and its components."""
    return style_sheet()
