"""The page inside a notebook: an anywidget that holds it in a frame of its own."""

from __future__ import annotations

try:
    import anywidget
    import traitlets
except ImportError as error:
    raise ImportError('the explorer in a notebook needs: pip install "juanji[explore]"') from error

# The page says its state to the frame's parent, and takes one from it; see link.js.
FRAME = """
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.title = "juanji";
  frame.style.cssText = `width:100%;height:${model.get("height")}px;border:0`;
  frame.setAttribute("sandbox", "allow-scripts allow-downloads");
  frame.allow = "clipboard-write";
  frame.srcdoc = model.get("page");
  const told = (event) => {
    if (event.source !== frame.contentWindow || typeof event.data?.juanji !== "string") return;
    model.set("state", event.data.juanji);
    model.save_changes();
  };
  const tell = () => frame.contentWindow?.postMessage({ juanji: model.get("state") }, "*");
  window.addEventListener("message", told);
  model.on("change:state", tell);
  if (model.get("state")) frame.addEventListener("load", tell);
  el.append(frame);
  return () => {
    window.removeEventListener("message", told);
    model.off("change:state", tell);
  };
}
export default { render };
"""


class Explorer(anywidget.AnyWidget):
    """A page in a notebook.

    Attributes:
        page: the HTML file.
        height: of the frame, in pixels.
        state: what stands behind the # of the page's link.
    """

    _esm = FRAME
    page = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int(900).tag(sync=True)
    state = traitlets.Unicode().tag(sync=True)

    def __init__(self, page: str, height: int = 900) -> None:
        super().__init__(page=page, height=height)
