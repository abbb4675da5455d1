"""What Jinja2, set up as transformers sets it up, makes of templates: writes jinja.json.

Made with Python 3.11 and Jinja2 3.1.6: `pip install jinja2==3.1.6; python jinja.py`.
"""
import json
from pathlib import Path

import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

CONTEXT = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a\r\nb <é> \"q\" it's"},
        {"role": "assistant", "content": "<think>x</think>yes"},
    ],
    "path": "a/b/c",
    "text": "  Hello, wOrld ",
    "lines": "one\ntwo\r\nthree\n",
    "name": "it's",
    "numbers": [3, 1, 2],
    "nested": {"b": 1, "a": [1, 2.5, True, None, "é\n"], "c": {}, "d": []},
    "flag": True,
    "nothing": None,
    "empty": "",
    "count": 7,
    "half": 0.5,
    "large": 1e16,
}

EXPRESSIONS = r"""
path.rsplit('/', 1)[-1]
path.rsplit('/')
path.split('/', 1)
path.split(sep='/', maxsplit=1)
path.split('/', maxsplit=1)[1]
text.split()
text.split(None, 1)
text.rsplit(None, 1)
empty.split(',')
empty.split()
path.partition('/')
path.partition('x')
path.rpartition('/')
path.rpartition('x')
'k=v'.partition('=')[2]
'</think>x'.removeprefix('</think>')
path.removesuffix('/c')
path.removesuffix('')
'7'.zfill(3)
'-7'.zfill(4)
'+7'.zfill(2)
'ab'.ljust(4, '.') ~ '|' ~ 'ab'.rjust(4) ~ '|' ~ 'ab'.center(5, '*') ~ '|' ~ 'abc'.center(6, '*')
path.index('b') ~ path.rindex('/') ~ path.find('x') ~ path.rfind('/')
path.find('/', 2)
path.find('/', 2, 3)
path.count('/')
'aaa'.count('')
path.startswith('b', 2)
path.startswith(('x', 'a'))
path.endswith(('x', 'c'))
path.endswith('b', 0, 3)
text.swapcase()
'Straße'.casefold()
'a\tb'.expandtabs(4)
lines.splitlines()
lines.splitlines(true)
lines.splitlines(keepends=true)
"they're bill's".title()
'hELLO wORLD'.capitalize()
text.strip()
text.strip(' Hd')
text.lstrip() ~ '|'
text.rstrip() ~ '|'
'xxabcxx'.strip('x')
'aXbX'.replace('X', '-', 1)
'aXbX'.replace('X', '-', count=1)
'abc'.replace('', '.')
'12'.isdigit() ~ '1.2'.isdigit() ~ '½'.isnumeric() ~ '½'.isdigit() ~ '²'.isdigit() ~ '²'.isdecimal()
'ab1'.isalnum() ~ 'ab'.isalpha() ~ 'ab '.isalpha() ~ ''.isalpha()
'Ab Cd'.istitle() ~ 'ab'.islower() ~ 'AB'.isupper() ~ ' '.isspace() ~ ''.isspace()
'a_1'.isidentifier() ~ '1a'.isidentifier() ~ 'a'.isascii() ~ 'é'.isascii() ~ 'a'.isprintable() ~ '\n'.isprintable()
', '.join(['a', 'b'])
'{}-{}'.format('a', 3)
'{0}{1}{0}'.format('a', 'b')
'{name}: {n:>4}'.format(name='x', n=5)
'%s-%d' % ('a', 3)
'%s' % 'x'
'%s' % 3
'%s' % none
'%s' % true
'%s' % ['a', 1]
'%s%%' % 5
'%(a)s+%(b)d' % {'a': 'x', 'b': 2}
'%5.1f|%-5s|%05d|%x' % (2.25, 'ab', 42, 255)
"%s, %s!" | format('a', 'b')
7 % 3
-7 % 3
7 % -3
7.5 % 2
2 * 3
'ab' * 3
3 * 'ab'
[1, 2] * 2
(1, 2) * 2
'a' * 0
'a' * -1
[1] + [2, 3]
(1,) + (2,)
([1] + [2])[1]
([1] + [2]) is sequence
'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1, 'b'] ~ {'k': 'v'}
'a' + 'b'
1 + 2.5
2 ** 10
7 // 2
-7 // 2
7 / 2
4 / 2
1e16 + 0.0
large
half
1.0
1e-5
0.1 + 0.2
1e100
123456789.125
[1.0, none, true, 'it\'s', "say \"hi\"", 'a\nb', '\t\\']
"both ' and \""
["both ' and \""]
{'a': [1, (2, 3)], 'b': {}}
(1,)
()
[]
{}
['é', '\x07', '\u200b', '😀']
nested
nested.a
messages[0]
messages[1:]
messages[::-1] | map(attribute='role') | list
path[::-1]
path[0:2]
path[-1]
path[1:-1]
path[::2]
path[3:0:-1]
path[0:2:-1]
path[10:]
path[-100:2]
numbers[::2]
numbers[-2:]
numbers[5:1]
(1, 2, 3)[1:]
messages | length
messages | tojson
nested | tojson
nested | tojson(indent=2)
nested | tojson(2)
nested | tojson(indent=0)
nested | tojson(indent=4, sort_keys=true)
nested | tojson(separators=(',', ':'))
nested | tojson(separators=(',', ': '), indent=1)
nested | tojson(ensure_ascii=true)
nested | tojson(ensure_ascii=false)
{'b': 1, 'a': 2} | tojson(sort_keys=true)
'é😀\u2028</script>&\'' | tojson
'é😀' | tojson(ensure_ascii=true)
'\x00\x1f\x7f\b\f' | tojson
{2: 2, none: 3, true: 4, 1.5: 5} | tojson
[1.0, 1e16, 1e-7, 100, -0.0] | tojson
(1, 2) | tojson
nothing | tojson
empty | tojson
[] | tojson(indent=2)
[[], {}, [1]] | tojson(indent=2)
messages[0].content is sequence
empty is sequence
numbers is sequence
(1,) is sequence
nested is sequence
count is sequence
nothing is sequence
missing is sequence
range(3) is sequence
messages[0].content is iterable
numbers is iterable
nested is iterable
count is iterable
nothing is iterable
path is string
path is mapping
nested is mapping
numbers is mapping
count is number
half is number
flag is number
flag is integer
flag is boolean
count is integer
half is float
count is float
half is integer
count is odd
count is even
count is divisibleby 7
count is divisibleby(3)
nothing is none
missing is none
missing is defined
missing is undefined
path is defined
path is eq 'a/b/c'
count is gt 3
count is ge(7)
count is in [1, 7]
'b' is in path
path is lower
'AB' is upper
flag is true
flag is false
1 is true
flag is sameas true
count is sameas 7
'upper' is filter
path is callable
range is callable
'x' in nested
'a' in nested
'b' in path
'role' in messages[0]
3 in numbers
3 not in numbers
1 == 1.0
1 == true
'1' == 1
none == false
[1, 2] == [1, 2]
(1, 2) == [1, 2]
not empty
not nothing
not 0
not [0]
empty or 'x'
count and 'y'
'x' if flag
'x' if not flag
'x' if not flag else 'y'
nested.missing
nested['missing'] is defined
nested.get('missing')
nested.get('missing', 5)
nested.get('b')
nested.items() | list
nested.keys() | list
nested.values() | list
nested | items | list
nested | dictsort | first
nested | dictsort(false, 'key') | map('first') | join
{'b': 1, 'a': 2} | dictsort(by='value')
{'b': 1, 'a': 2} | dictsort(false, 'value', true)
numbers | sort
numbers | sort(true)
numbers | sort(reverse=true)
['b', 'A', 'c'] | sort
['b', 'A', 'c'] | sort(case_sensitive=true)
messages | sort(attribute='role') | map(attribute='role') | join(',')
messages | sort(false, false, 'role') | map(attribute='role') | join(',')
messages | map(attribute='role') | join(', ')
messages | join(', ', attribute='role')
messages | join(', ', 'role')
messages | map(attribute='x', default='-') | join
messages | selectattr('role', 'equalto', 'user') | list | length
messages | selectattr('role', '==', 'user') | map(attribute='role') | first
messages | rejectattr('role', 'in', ['user', 'system']) | map(attribute='role') | list
messages | selectattr('tool') | list
messages | selectattr('content') | list | length
messages | groupby('role') | map('first') | list
numbers | select('odd') | list
numbers | reject('odd') | list
numbers | select('gt', 1) | list
numbers | map('string') | list
numbers | map('float') | list
[' a ', 'b '] | map('trim') | list
['a/b'] | map('replace', '/', '-') | list
numbers | sum
numbers | max
numbers | min
messages | map(attribute='content') | map('length') | sum
[{'n': 1}, {'n': 2}] | sum(attribute='n')
numbers | sum(start=10)
numbers | reverse | list
path | reverse
numbers | first
numbers | last
[] | first
numbers | batch(2) | list
numbers | batch(2, 0) | list
numbers | batch(linecount=2, fill_with='x') | list
numbers | slice(2) | list
[1, 1, 2, 'a', 'A'] | unique | list
['a', 'A'] | unique(true) | list
path | upper
'ABC' | lower
"they're bill's" | title
'hELLO' | capitalize
text | trim
text | trim(' H')
'xxaxx' | trim('x')
'xxaxx' | trim(chars='x')
path | replace('/', '-')
path | replace('/', '-', 1)
path | replace('/', '-', count=1)
path | replace(old='/', new='-')
lines | indent
lines | indent(2)
lines | indent(2, true)
lines | indent(width=2, first=true)
lines | indent('> ')
'a\n\nb' | indent(2, blank=true)
'a\n\nb' | indent(2)
'ab' | center(6) ~ '|'
'a b  c' | wordcount
missing | default('x')
missing | d('x')
empty | default('x')
empty | default('x', true)
empty | default('x', boolean=true)
nothing | default('x')
missing | default
'12' | int
'x' | int
'x' | int(5)
'x' | int(default=5)
'0x1f' | int(0, 16)
'1.9' | int
1.9 | int
'1.5' | float
'x' | float
'x' | float(2.5)
2.5 | round
3.14159 | round(2)
2.4 | round(0, 'ceil')
2.6 | round(method='floor')
-3 | abs
42 | string
none | string
[1, 'a'] | string
[1, 2] | list
'abc' | list
nested | list
nested | length
path | length
'é' | length
path | count
'<a href="x">&\'' | e
'<b>' | escape
'<b>' | safe
messages | attr('x')
['a', ['b', 'c']] | tojson
path | string | length
'%d items' | format(3)
[[1, 2], [3]] | map('sum') | list
dict(a=1, b=2)
dict({'a': 1}, b=2) | tojson
range(5) | list
range(1, 10, 3) | list
range(5, 0, -2) | list
namespace(a=1).a
[1, 2, 3].index(2)
[1, 2, 2].count(2)
(1, 2).index(2)
messages[0].copy() | tojson
[1, 2].copy()
'\u00e9\x41\n' ~ '\''
1_000
0x1f
"a" "b"
true and True and not false and not False
none is none and None is none
loop is defined
'a' < 'b'
1 < 2 < 3
[1, 2] < [1, 3]
"ÀÉ".lower() ~ 'straße'.upper()
""" .strip().splitlines()

TEMPLATES = [
    "a\r\nb{{ '\r\n' | length }}\r\n\r\n{% if true %}\r\nc\r\n{% endif %}\r\n",
    "{{ messages[1].content }}|{{ messages[1].content | length }}",
    "a\rb\n",
    "{# note #}\n  {% if true %}  \n x {% endif -%}\n y",
    "{%- for m in messages -%} {{- loop.index -}}/{{ loop.length }}{{ loop.first }}{{ loop.last }} {% endfor %}",
    "{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else '-' }};{{ loop.nextitem.role if not loop.last }} {% endfor %}",
    "{% for k, v in nested.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in nested %}{{ k }}{% endfor %}",
    "{% for c in 'añb' %}[{{ c }}]{% else %}none{% endfor %}{% for x in [] %}x{% else %}none{% endfor %}",
    "{% for x in numbers if x > 1 %}{{ loop.index0 }}:{{ x }} {% endfor %}",
    "{% for x in numbers | sort %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in numbers %}{% if loop.index == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in numbers %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x) }}{{ loop.revindex }}{{ loop.depth }}{% endfor %}",
    "{% for x in [[1, [2]], 3] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}",
    "{% set ns = namespace(n=0, s='') %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.s = ns.s ~ m.role[0] %}{% endfor %}{{ ns.n }}{{ ns.s }}",
    "{% set x %}<{{ name }}>{% endset %}{{ x }}{{ x | length }}",
    "{% set x | upper %}abc{% endset %}{{ x }}",
    "{% filter upper %}abc{{ name }}{% endfilter %}",
    "{% macro f(a, b='d', c=none) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}|{{ f(1, c=3) }}|{{ f('x', 'y') | upper }}",
    "{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}in{% endcall %}",
    "{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}",
    "{% set a, b = 1, 2 %}{{ b }}{{ a }}",
    "{% set items = [] %}{% set items = items + [1] %}{% set items = items + ['x'] %}{{ items }}{{ items[1] }}",
    "{% raw %}{{ x }}{% endraw %}",
    "{% if path.startswith('a') and not flag %}1{% elif count > 5 %}2{% else %}3{% endif %}",
    "{% generation %}a{% endgeneration %}\n  {%- generation -%} b {%- endgeneration -%} c",
    "{{ '{{ x }}' }}{{ \"{%\" }}",
    "{{- ' a ' -}}   b   {{- ' c ' }}\n\n",
    "{% if true -%}  a  {%- endif +%}\n b",
    "    {%+ if true %}x{% endif %}",
    "{{ messages[0]['content'] }}{{ messages[0]['con' ~ 'tent'] }}{{ messages[-1].role }}",
    "{% set x = messages[0] %}{% if x.role == 'system' %}{% set rest = messages[1:] %}{% endif %}{{ rest | length }}",
    "{% if messages[0].content is string %}s{% endif %}{% if messages[0].content is iterable and messages[0].content is not mapping %}i{% endif %}",
    "{{ undefined_name }}{{ messages[9] }}{{ nested.x }}|",
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] | trim + '<|im_end|>' + '\n' }}{% endfor %}",
    "{% for tool in [{'f': {'n': 'x'}}] %}{{ tool.f | tojson }}{% if not loop.last %},{% endif %}{% endfor %}",
    "{% do messages %}",
    "{{ 5 if nothing else 6 }}{{ (nothing or {}).x is defined }}",
    "{{ messages | selectattr('role', 'equalto', 'assistant') | map(attribute='content') | first | replace('<think>', '') }}",
    "{% set content = messages[2].content %}{% if '</think>' in content %}{{ content.split('</think>')[-1].lstrip('\\n') }}{% endif %}",
]


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env.filters["tojson"] = tojson
    return env


def rendered(template):
    # Generation blocks mark text and add none.
    import re
    plain = re.sub(r"\{%(-?)\s*generation\s*(-?)%\}", r"{%\1 if true \2%}", template)
    plain = re.sub(r"\{%(-?)\s*endgeneration\s*(-?)%\}", r"{%\1 endif \2%}", plain)
    try:
        return environment().from_string(plain).render(**CONTEXT)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


templates = ["{{ " + expression + " }}" for expression in EXPRESSIONS] + TEMPLATES
rows = [[template, rendered(template)] for template in templates]
path = Path(__file__).with_name("jinja.json")
body = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
context = json.dumps(CONTEXT, ensure_ascii=False)
path.write_text(f'{{"context": {context},\n"rows": [\n{body}\n]}}\n', encoding="utf-8")
print(len(rows), "rows;", sum(isinstance(row[1], dict) for row in rows), "errors")
for row in rows:
    if isinstance(row[1], dict): print(row)
