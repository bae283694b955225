"""Token ids of texts: by the tokenizers package alone, and as OpenAI's code makes them, from cleaning to splitting."""

import html
import json
import re
import sys
import unicodedata

import ftfy
import regex
from tokenizers import Tokenizer

SPECIAL = ["<|startoftext|>", "<|endoftext|>"]
PIECES = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE
)

asked = json.load(sys.stdin)
tokenizer = Tokenizer.from_file(asked["tokenizer"])

plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255]
others = [b for b in range(256) if b not in plain]
LETTERS = {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def of_piece(piece):
    if piece in SPECIAL:
        return [tokenizer.token_to_id(piece)]
    return [token.id for token in tokenizer.model.tokenize("".join(LETTERS[b] for b in piece.encode()))]


def openai(text, **options):
    cleaned = html.unescape(html.unescape(ftfy.fix_text(text, **options))).strip()
    cleaned = re.sub(r"\s+", " ", cleaned).strip().lower()
    return [i for piece in PIECES.findall(cleaned) for i in of_piece(piece)]


# what this Python's Unicode does not have yet, it cannot lower
texts = [text for text in asked["texts"] if all(unicodedata.category(c) != "Cn" for c in text)]
told = {
    "texts": texts,
    "tokenizers": [tokenizer.encode(text, add_special_tokens=False).ids for text in texts],
    "openai": [openai(text) for text in texts],
    "openaiButGarbled": [openai(text, fix_encoding=False) for text in texts],
}
json.dump(told, sys.stdout)
