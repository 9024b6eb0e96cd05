"""Serve a Gradio page with one component that draws at once: the least that any page here takes."""

import argparse

import gradio as gr

from ui.components.kept_files import front_end_route

# By the same signs as our page's heatmap, so that the same clock reads both.
DRAW = "const canvas = document.createElement('canvas'); canvas.dataset.stamp = '1'; "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    with gr.Blocks(analytics_enabled=False) as demo:
        gr.HTML("<div></div>", elem_id="heatmap", js_on_load=DRAW + "element.append(canvas);")
    demo.launch(
        server_port=options.port,
        quiet=True,
        ssr_mode=False,
        footer_links=[],
        app_kwargs={"routes": [front_end_route()]},
    )


if __name__ == "__main__":
    main()
