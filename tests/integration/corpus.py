"""Awkward messages: name -> content with CRLF line ends, as a client means it (not dot-stuffed)."""

import random

HEADER = b"From: a@example.net\r\nTo: anna@example.org\r\nSubject: awkward\r\n\r\n"


def random_bytes(count):
    """All byte values, with line ends of every kind, but no bare LF: that is a line end and told apart elsewhere."""
    data = random.Random(count).randbytes(count).replace(b"\n", b"\r\n")
    return data + b"\r\n"


def build():
    return {
        "plain": HEADER + b"body\r\n",
        "empty": b"",
        "one empty line": b"\r\n",
        "header only": b"Subject: x\r\n",
        "empty body": HEADER,
        "body without header": b"no header at all\r\nand more\r\n",
        "8-bit": HEADER + bytes(range(128, 256)) + b"\r\n",
        "UTF-8 header": "From: Jörg <a@example.net>\r\nSubject: Grüße aus Köln ☃\r\n\r\nÄÖÜ\r\n".encode(),
        "Latin-1 header": "Subject: Grüße\r\n\r\nÄÖÜ\r\n".encode("latin-1"),
        "dots": HEADER + b"\r\n".join(b"." * n for n in range(1, 80)) + b"\r\n",
        "dot first": b".\r\n..\r\n...x\r\n",
        "dot line before the end": HEADER + b"x\r\n.\r\n",
        "dots inside lines": HEADER + b"a.b\r\n .\r\n. \r\n.\t\r\n.x.\r\n",
        "line of 998": HEADER + b"x" * 998 + b"\r\n",
        "lines of 70 KB": HEADER + (b"y" * 70000 + b"\r\n") * 5,
        "line of 1 MB of dots": HEADER + b"." * 1000000 + b"\r\n",
        "header line of 70 KB": b"X-Long: " + b"z" * 70000 + b"\r\n\r\nbody\r\n",
        "folded header": b"Subject: a\r\n b\r\n\tc\r\n\r\nbody\r\n",
        "NUL bytes": HEADER + b"a\0b\0\0\r\n\0\r\n\0.\r\n.\0\r\n",
        "NUL in the header": b"Subject: a\0b\r\n\r\nbody\r\n",
        "lone CR": HEADER + b"a\rb\r\rc\r\n\r.\r\n\r\r\nend\r\r\n",
        "CR before the end": HEADER + b"x\r\r\n",
        "many empty lines": HEADER + b"\r\n" * 5000,
        "blank lines": HEADER + b" \r\n\t\r\n  \t \r\n",
        "mbox From": HEADER + b"From here on\r\n>From there\r\n",
        "looks like SMTP": HEADER + b"QUIT\r\nRSET\r\nMAIL FROM:<x@example.com>\r\nDATA\r\n354 go\r\n250 ok\r\n",
        "forged trace": b"Return-Path: <x@example.com>\r\nDelivered-To: y\r\nReceived: from z\r\n" + HEADER,
        "all bytes": HEADER + random_bytes(300000),
        "3 MB": HEADER + (b"0123456789abcdef" * 4 + b"\r\n") * 48000,
        "30 MB": HEADER + (b"0123456789abcdef" * 4 + b"\r\n") * 480000,
    }


MESSAGES = build()
