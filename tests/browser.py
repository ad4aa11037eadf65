"""A page in a real browser: Chromium, told what to do over a pipe, by its DevTools protocol."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from trellis.development.bring import browser as programs

# It reads commands from descriptor 3 and answers on 4. Root has no sandbox of it, and nobody here a graphics card.
_START = 'exec "$@" 3<&0 4>&1 >&2 </dev/null'
# Whatever it asks of a network is refused at once.
_OPTIONS = (
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--proxy-server=127.0.0.1:1",
)

# What a person could not read: text beyond the window's edge, over other text, too small, or of too little contrast
# (WCAG 2.2 asks 4.5 of text and 3 of lines). What lies in a box that scrolls may be wider than it.
_FAULTS = """(() => {
  const faults = [], seen = [], page = document.documentElement
  const name = text => JSON.stringify(text.trim().slice(0, 40))
  const shade = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(one => one / 255)
      .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05
  }
  const behind = one => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor
      if (colour != "rgba(0, 0, 0, 0)") return shade(colour)
    }
    return 1.05
  }
  const contrast = (one, colour) => {
    const [dark, light] = [shade(colour), behind(one)].sort((a, b) => a - b)
    return light / dark
  }
  if (page.scrollWidth > page.clientWidth) faults.push(`the page is ${page.scrollWidth} wide, not ${page.clientWidth}`)
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const node = texts.currentNode, one = node.parentElement, style = getComputedStyle(one), range = new Range()
    if (!node.data.trim() || one.closest("style, title, desc")) continue
    range.selectNodeContents(node)
    const lines = [...range.getClientRects()]
    if (!lines.length) faults.push(`${name(node.data)} is not to be seen`)
    if (parseFloat(style.fontSize) < 12) faults.push(`${name(node.data)} is small: ${style.fontSize}`)
    const colour = one.closest("svg") ? style.fill : style.color
    if (contrast(one, colour) < 4.5) faults.push(`${name(node.data)} has little contrast: ${colour}`)
    if (style.overflowX == "auto") continue
    const around = (one.closest("svg") ?? page).getBoundingClientRect()
    for (const line of lines) {
      if (line.left < around.left || line.right > around.right + 0.5) faults.push(`${name(node.data)} is cut`)
      const under = seen.find(({at: other}) => line.left < other.right - 1 && other.left < line.right - 1
        && line.top < other.bottom - 3 && other.top < line.bottom - 3)
      if (under && under.text != node.data) faults.push(`${name(node.data)} lies over ${name(under.text)}`)
    }
    seen.push(...lines.map(at => ({at, text: node.data})))
  }
  for (const line of document.querySelectorAll("svg .series path")) {
    const style = getComputedStyle(line), around = line.ownerSVGElement.getBoundingClientRect()
    const at = line.getBoundingClientRect(), title = name(line.closest("[aria-label]").ariaLabel)
    if (style.stroke == "none" || contrast(line, style.stroke) < 3) faults.push(`${title} has a line of no contrast`)
    if (at.left < around.left - 4 || at.right > around.right + 4 || at.top < around.top - 4 ||
      at.bottom > around.bottom + 4) faults.push(`${title} leaves its plot`)
  }
  return faults
})()"""
# Title -> the points that its plot has, and how wide and high its line is in CSS pixels.
_PLOTS = """Object.fromEntries([...document.querySelectorAll("svg")].map(plot => {
  const line = plot.querySelector(".series path"), {width, height} = line.getBoundingClientRect()
  const points = (line.getAttribute("d").match(/[-.\\d]+ [-.\\d]+/g) || []).length
  return [plot.closest("[aria-label]").ariaLabel, [points, Math.round(width), Math.round(height)]]
}))"""


@dataclass(kw_only=True)
class Browser:
    """One tab. requests: what the page asked for, itself first. errors: of its scripts, styles and pictures."""

    commands: IO[bytes]
    answers: IO[bytes]
    session: str = ""
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _unread: bytes = b""
    _last: int = 0
    _loaded: set[str] = field(default_factory=set)

    def open(self, page: Path, width: int, height: int, scheme: str = "light", medium: str = "screen") -> None:
        """Opens a page in a window of this size in CSS pixels; one of less than 500 is a phone's."""
        self.requests.clear()
        self.errors.clear()
        phone = width < 500
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=medium, features=features)
        loader = self.call("Page.navigate", url=page.as_uri())["loaderId"]
        while loader not in self._loaded:
            self._read()

    def ask(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def faults(self) -> list[str]:
        """What a person could not read, and what went wrong or was asked of others."""
        return [*self.ask(_FAULTS), *self.errors, *(f"asked for {url}" for url in self.requests[1:])]

    def plots(self) -> dict[str, list[int]]:
        """Title -> the points that are drawn, and how wide and high their line is, in CSS pixels."""
        return dict(self.ask(_PLOTS))

    def picture(self, file: Path) -> None:
        """Writes the whole page as PNG."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(answer["data"]))

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.commands.write(json.dumps(message).encode() + b"\0")
        self.commands.flush()
        while (answer := self._read()).get("id") != self._last:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            more = os.read(self.answers.fileno(), 1 << 20)
            assert more, "Chromium ended; its chromium.log says why."
            self._unread += more
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        told = message.get("params", {})
        match message.get("method"):
            case "Page.lifecycleEvent" if told["name"] == "load":
                self._loaded.add(told["loaderId"])
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(told["exceptionDetails"]["exception"]["description"])
            case "Log.entryAdded":
                self.errors.append(told["entry"]["text"])
        return message


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Chromium, which writes below this folder alone. What it says of itself stands there in `chromium.log`."""
    place = programs()
    environment = {"HOME": str(folder), "TMPDIR": str(folder), "FONTCONFIG_FILE": str(place / "etc/fonts/fonts.conf")}
    program = str(place / "usr/lib/chromium/chromium-headless-shell")
    with (
        (folder / "chromium.log").open("wb") as log,
        subprocess.Popen(
            ["/bin/sh", "-c", _START, "sh", program, *_OPTIONS, f"--user-data-dir={folder / 'profile'}"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as chromium,
    ):
        assert chromium.stdin
        assert chromium.stdout
        try:
            tab = Browser(commands=chromium.stdin, answers=chromium.stdout)
            target = tab.call("Target.createTarget", url="about:blank")["targetId"]
            tab.session = tab.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Network", "Runtime", "Log"):
                tab.call(f"{domain}.enable")
            tab.call("Page.setLifecycleEventsEnabled", enabled=True)
            yield tab
        finally:
            chromium.terminate()
