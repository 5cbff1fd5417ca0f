"""Writes .dvc/plots.html, the page into which DVC puts its plots: `python -m scripts.plots_page`.

DVC's own page loads Vega from a network and stays blank without one; this one carries it. `plots.html_template` in
.dvc/config names the page. Needs vl-convert-python, which brings Vega, Vega-Lite and Vega-Embed; the same release of it
gives the same bytes.
"""

from pathlib import Path

import vl_convert

PAGE = Path(__file__).parent.parent / ".dvc" / "plots.html"

# The templates of dvc-render are Vega-Lite 5: the last release of that line.
_VEGA_LITE = "5.21"

# DVC fills {plot_divs} with scripts that hold names of classes and columns as they are, so that a class called
# `</script><script>...` would run. <plaintext> makes all that follows it text, to the end of the page, whatever it is.
# From this the page's own script takes the specifications: DVC writes each as JSON, so on one line, before
# `vegaEmbed(selector, spec)`, and the line break between the two is in no JSON. Each plot gets a <div> inside <main>.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>DVC plots</title>
<!--
@LICENCES@
-->
<style>
  body { margin: 0; background: #f6f7f9; font: 14px/1.4 system-ui, sans-serif; color: #202124; }
  main { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 16px; padding: 16px; }
  main > div { background: #fff; border: 1px solid #dadce0; border-radius: 6px; padding: 16px 40px 12px 16px; }
  main table { border-spacing: 12px 4px; }
  main > noscript { color: #b3261e; }
</style>
<script>
@VEGA@
</script>
</head>
<body>
<main>
<noscript>The plots are drawn by JavaScript, which is switched off in this browser.</noscript>
</main>
<script>
document.addEventListener("DOMContentLoaded", () => {
  const written = document.querySelector("plaintext").textContent;
  const parts = /var spec = (.*);\\n\\s*vegaEmbed\\(|<p>(.*)<\\/p>\\s*<img src="(.*)">/g;
  for (const [, spec, title, image] of written.matchAll(parts)) {
    const plot = document.querySelector("main").appendChild(document.createElement("div"));
    if (spec) {
      vegaEmbed(plot, JSON.parse(spec));
    } else {
      plot.append(title, document.createElement("br"), Object.assign(new Image(), {src: image}));
    }
  }
});
</script>
<plaintext hidden>
{plot_divs}
"""

_LICENCES = """The script below is a bundle of libraries that are not part of this project, made by vl-convert-python.

Vega @VEGA@, (c) 2015 University of Washington Interactive Data Lab, (c) 2013 Trifacta Inc.: BSD-3-Clause.
Vega-Lite @LITE@ and Vega-Embed @EMBED@, (c) 2015 University of Washington Interactive Data Lab: BSD-3-Clause.
D3, (c) Mike Bostock, and topojson-client, (c) Mike Bostock: ISC.
fast-json-patch, (c) Joachim Wester; json-stringify-pretty-compact, (c) Simon Lydell: MIT.

BSD-3-Clause: Redistribution and use in source and binary forms, with or without modification, are permitted provided
that the following conditions are met: 1. Redistributions of source code must retain the above copyright notice, this
list of conditions and the following disclaimer. 2. Redistributions in binary form must reproduce the above copyright
notice, this list of conditions and the following disclaimer in the documentation and/or other materials provided with
the distribution. 3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse
or promote products derived from this software without specific prior written permission.
THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR IMPLIED WARRANTIES,
INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL,
SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR
SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY,
WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

ISC: Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby
granted, provided that the above copyright notice and this permission notice appear in all copies. THE SOFTWARE IS
PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES
OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR
CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF
CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS
SOFTWARE.

MIT: Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright notice and
this permission notice shall be included in all copies or substantial portions of the Software. THE SOFTWARE IS
PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT
HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


def page() -> str:
    """The page, with the anchors ``{plot_divs}`` and ``{refresh_tag}`` that DVC fills."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_VEGA_LITE)
    licences = (
        _LICENCES.replace("@VEGA@", vl_convert.get_vega_version())
        .replace("@LITE@", _VEGA_LITE)
        .replace("@EMBED@", vl_convert.get_vega_embed_version())
    )
    # Inside a script, the end of one would end it.
    return _PAGE.replace("@LICENCES@", licences).replace("@VEGA@", bundle.replace("</script", "<\\/script"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
