"""Messages of LDAP (RFC 4511) in BER, for the servers here."""


def ber(tag, body):
    length = len(body)
    if length < 128:
        return bytes([tag, length]) + body
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + body


def message(number, tag, body):
    """- number: the message id as it came, in BER."""
    return ber(0x30, number + ber(tag, body))


def result(code):
    """The three components of each LDAPResult."""
    return ber(0x0A, bytes([code])) + ber(0x04, b"") + ber(0x04, b"")


def read_message(stream):
    """The next message whole, its id in BER, the tag of its operation, and all from there on; None at the end."""
    head = stream.read(2)
    if len(head) < 2:
        return None
    length, more = head[1], b""
    if length & 0x80:
        more = stream.read(length & 0x7F)
        length = int.from_bytes(more, "big")
    body = stream.read(length)
    end = 2 + body[1]
    return head + more + body, body[:end], body[end], body[end:]
