"""How the page about a data set looks: its templates and its style."""

from graft.report import pages

BODY = pages.environment().from_string("""
<h1>{{ name }}</h1>
<p class="soft">{{ words }}{% if licence %}; licence {{ licence }}{% endif %}. {% if speed is not none %}Nothing has been trained yet.{% endif %}</p>

<h2>Worth a look</h2>
{% if notes %}<ul>{% for note in notes %}<li>{{ note | printable }}</li>{% endfor %}</ul>
{% else %}<p>Nothing is unusual.</p>{% endif %}

{% if speed is not none %}<h2>What the models will cost</h2>
{% if costs %}
<div class="wide"><table>
<tr><th>model</th><th class="number">forwards</th><th class="number">trained on</th><th class="number">time here</th>
<th class="number">time on one GPU</th><th class="number">memory</th><th class="number">disk</th></tr>
{% for row in costs %}<tr><td>{{ row.name }}</td><td class="number">{{ row.forwards }}</td>
<td class="number">{{ row.trained }}</td><td class="number">{{ row.seconds }}</td><td class="number">{{ row.gpu_seconds }}</td>
<td class="number">{{ row.memory }}</td><td class="number">{{ row.disk }}</td></tr>{% endfor %}
</table></div>
{% if measured %}<p class="soft">Based on up to 64 samples that were run here a moment ago, so right within a factor of
two. One job with {{ threads }} thread(s) on this machine; several run side by side. The GPU is one of the A100 class at
a sixth of its peak. Forwards that the store already holds are not counted. Distilled models also need their teacher; what
it answers of changed images is counted.</p>
{% else %}<p class="soft">No network is run: a head on vectors takes seconds.</p>{% endif %}
{% else %}<p>No model is trained on this data set.</p>{% endif %}{% endif %}

{% for target in targets %}
<h2>Target {{ target.name }}: samples per split</h2>
<div class="wide"><table>
<tr><th>{{ "class" if target.classes else "values" }}</th>{% for split in splits %}<th class="number">{{ split }}</th>{% endfor %}
<th class="number">all</th></tr>
{% for row in target.rows %}<tr><td>{{ row[0] | printable }}</td>
{% for cell in row[1:] %}<td class="number">{{ cell }}</td>{% endfor %}</tr>{% endfor %}
</table></div>
{% endfor %}

<h2>Samples</h2>
<p class="soft">Chosen evenly over the table. Are they what their {{ "class" if targets[0].classes else "value" }} says? {{ more }}</p>
<div class="wide"><table>
<tr><th>{{ targets[0].name | printable }}</th>{% for split in shown_splits %}<th>{{ split }}</th>{% endfor %}</tr>
{% for row in samples %}<tr><th>{{ row.name | printable }}</th>{% for cell in row.cells %}<td{% if loop.last and loop.length < shown_splits | length %}
 colspan="{{ shown_splits | length }}"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</table></div>

<h2>What they are like</h2>
<div class="figures">{% for figure in figures %}<div>{{ figure }}</div>{% endfor %}</div>

<h2>What the splits share, and what not</h2>
<div class="wide"><table>
{% for what, said in shared %}<tr><td>{{ what }}</td><td>{{ said | printable }}</td></tr>{% endfor %}
</table></div>

<h2>The same content more than once</h2>
{% if duplicates %}<ul class="cards">{% for pair in duplicates %}<li class="card">{{ pair.shown }}
{% for line in pair.lines %}<div>{{ line | printable }}</div>{% endfor %}</li>{% endfor %}</ul>{{ more_duplicates }}
{% else %}<p>No content is in two rows.</p>{% endif %}

<h2>Left out</h2>
{% if skipped %}<div class="wide"><table><tr><th>file</th><th>row</th><th>reason</th></tr>
{% for one in skipped %}<tr><td>{{ one.path | printable }}</td><td>{{ "" if one.row < 0 else one.row + 1 }}</td>
<td>{{ one.reason | printable }}</td></tr>{% endfor %}</table></div><p class="soft">{{ more_skipped }}</p>
{% else %}<p>Every sample can be read.</p>{% endif %}
""")
SHOWN = pages.environment().from_string("""
{% for one in some %}{% if one.image %}<img src="{{ one.image }}" alt="{{ one.path | printable }}"
title="{{ one.path | printable }}" loading="lazy">{% if one.value %}<div class="text">{{ one.value | printable }}</div>{% endif %}
{% else %}<div class="text" title="{{ one.path | printable }}">{% if one.value %}<b>{{ one.value | printable }}</b>: {% endif %}
{{ one.text | printable }}</div>{% endif %}{% endfor %}
""")
CSS = """
td img { margin: 1px; } td[colspan] .text { display: inline-block; vertical-align: top; margin-right: 1rem; }
.text { min-width: 12rem; max-width: 22rem; margin-bottom: 0.5rem; font-size: 0.85rem; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; } .figures > div { min-width: 0; background: #fff; border-radius: 6px; }
.card img { display: block; margin-bottom: 0.4rem; }
"""
