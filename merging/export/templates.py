"""Chat templates by name: what a recipe's ``chat_template`` puts beside the weights.

Written for this project from the formats' descriptions. A template says how messages are put
together; whether a merged model understands it depends on what its experts were trained with.

Source:
    ChatML (OpenAI 2023), Alpaca (Taori et al. 2023), the model cards of Llama 3, Mistral 7B
    Instruct and EXAONE 3.5.
"""

from collections import Counter
from collections.abc import Sequence

_CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_ALPACA = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'user' %}"
    "{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ '### Response:\\n' + message['content'] + (eos_token or '') + '\\n\\n' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}"
)
_LLAMA3 = (
    "{{ bos_token or '' }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'"
    " + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
_MISTRAL = (
    "{{ bos_token or '' }}{% set ns = namespace(system='') %}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set ns.system = message['content'] + '\\n\\n' %}"
    "{% elif message['role'] == 'user' %}"
    "{{ '[INST] ' + ns.system + message['content'] + ' [/INST]' }}{% set ns.system = '' %}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ ' ' + message['content'] + (eos_token or '') }}"
    "{% endif %}{% endfor %}"
)
_EXAONE = (
    "{% for message in messages %}"
    "{{ '[|' + message['role'] + '|]' + message['content'] }}"
    "{{ '\\n' if message['role'] == 'user' else '[|endofturn|]\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}"
)
NAMED = {
    "alpaca": _ALPACA,
    "chatml": _CHATML,
    "llama3": _LLAMA3,
    "mistral": _MISTRAL,
    "exaone": _EXAONE,
}


def template_text(said: str, there: Sequence[str]) -> str:
    """Return the template that a recipe asks for, or "" where it asks for one and there is none.

    Args:
        said: A name, ``auto`` (the commonest of the models, the first of equals) or the text.
        there: Templates of the models that have one, in order.
    """
    if said != "auto":
        return NAMED.get(said, said)
    counted = Counter(there).most_common(1)
    return counted[0][0] if counted else ""
