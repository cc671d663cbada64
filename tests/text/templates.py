"""Chat templates written here in the formats of well-known families, and conversations for them."""

from __future__ import annotations

CHATML = """{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}<|im_end|>
{% endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\n' }}
{%- endif %}
"""

LLAMA3 = """{{- bos_token }}
{%- set date = strftime_now('%d %b %Y') if strftime_now is defined else '26 Jul 2024' %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content']|trim %}
    {%- set rest = messages[1:] %}
{%- else %}
    {%- set system = '' %}
    {%- set rest = messages %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\n\nToday: ' ~ date ~ '\n\n' ~ system ~ '<|eot_id|>' }}
{%- for message in rest %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' }}
    {{- message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
"""

GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}

{{ raise_exception('No system role') }}{% endif %}
{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate') }}
{% endif %}
{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}
{% endfor %}
{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}
"""

MISTRAL = """{%- set ns = namespace(system=none) -%}
{%- for message in messages if message.role == 'system' -%}
    {%- set ns.system = message.content -%}
{%- endfor -%}
{{- bos_token }}
{%- for message in messages | rejectattr('role', 'equalto', 'system') | list %}
    {%- if message.role == 'user' %}
        {%- if loop.first and ns.system is not none %}
            {{- '[INST] ' ~ ns.system ~ '\n\n' ~ message.content ~ ' [/INST]' }}
        {%- else %}
            {{- '[INST] ' ~ message.content ~ ' [/INST]' }}
        {%- endif %}
    {%- elif message.role == 'assistant' %}
        {%- generation %}{{ ' ' ~ message.content ~ eos_token }}{% endgeneration %}
    {%- else %}
        {{- raise_exception('Unknown role ' + message.role) }}
    {%- endif %}
{%- endfor %}
"""

TEMPLATES = {"chatml": CHATML, "llama3": LLAMA3, "gemma": GEMMA, "mistral": MISTRAL}

CONVERSATION = [
    {"role": "user", "content": "  Name a colour, “please”.\n"},
    {"role": "assistant", "content": "Blue & <green>."},
    {"role": "user", "content": "Another one 🙂"},
]
WITH_SYSTEM = [{"role": "system", "content": "Be brief."}, *CONVERSATION]

ODD_BUT_FINE = [
    "{{ messages|tojson }}{{ messages|tojson(indent=2) }}{{ 'ü<&>'|tojson }}",
    "{% for m in messages %}{% if loop.index0 == 1 %}{% continue %}{% endif %}{{ m.role|upper }}{% endfor %}",
    "{% for m in messages %}{% if loop.last %}{% break %}{% endif %}{{ loop.index }}{% endfor %}",
    "{% set ns = namespace(n=0, s='') %}{% for m in messages %}{% set ns.n = ns.n + 1 %}"
    "{% set ns.s = ns.s ~ m['content'][:3] %}{% endfor %}{{ ns.n }}{{ ns.s }}",
    "{% macro turn(m, mark='|') %}{{ mark }}{{ m.content.split(' ')[-1].strip('.') }}{% endmacro %}"
    "{% for m in messages %}{{ turn(m) }}{{ turn(m, mark='-') }}{% endfor %}",
    "{% macro each() %}{{ caller(1) }}{{ caller(2) }}{% endmacro %}{% call(x) each() %}{{ x }}{% endcall %}",
    "{% generation %}{% set a = 1 %}{{ messages[0].content }}{% endgeneration %}{{ a }}",
    "{{ messages|map(attribute='content')|join(', ') }}{{ messages|join('+', attribute='role') }}",
    "{{ messages|selectattr('role', 'equalto', 'user')|list|length }}{{ messages|groupby('role')|length }}",
    "{{ messages[0].get('name', 'none') }}{{ messages[0].items()|list }}{{ missing }}{{ tools is none }}",
    "{{ '%s-%05.1f' % ('a', 2.25) }}{{ '{:>6}|{x[0]}'.format('é', x=[3]) }}{{ '%s' | format(4) }}",
    "{{ 'a\\nb\\n\\nc'|indent }}{{ 'a\\nb\\n\\nc'|indent(2, true, true) }}",
    "{{ 'a\\n'|indent('> ', first=true) }}{{ ''|indent }}",
    "{{ 'abab'.replace('a', 'x') }}{{ 'abab'|replace('b', '', 1) }}{{ ','.join(['a']) }}{{ [1, 2]|join }}",
    "{{ [3, 1, 2]|sort|first }}{{ 7 // 2 }}{{ 2 ** 10 }}{{ 7 % 4 }}{{ -3|abs }}{{ [1] + [2] }}{{ 'ab' * 3 }}",
    "{%- for a, b in {'x': 1, 'y': 2}|dictsort -%}{{ a }}={{ b }};{%- endfor -%}{{ (1, 2) }}{{ {'k': [1]} }}",
    "{% set text %}{% for m in messages %}{{ m.role }},{% endfor %}{% endset %}{{ text }}{{ text is none }}",
    "{% filter upper %}{{ messages[0].role }}{% endfilter %}{{ range(3)|list }}{{ [1, 2, 3]|batch(2)|list }}",
    "{{ '<b>'|safe }}{{ \"<b> & 'c' \\\"d\\\"\"|e }}{{ '<'|escape }}",
    "   {% if true %}\n  kept\n   {%- endif %}  \n{# note #}  {% raw %}{{ }}{% endraw %}\n",
    "{{ strftime_now('%Y')|length }}{{ 'a' if false }}{{ 'Ab C'.title().swapcase() }}{{ messages[-1].role }}",
]
"""What templates also do, each to be written exactly as Jinja writes it."""
