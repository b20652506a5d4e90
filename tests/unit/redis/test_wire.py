from carrel.redis.wire import packed


def test_commands_are_arrays_of_bulk_strings_counted_in_bytes():
    assert packed([("SET", "ключ", b"\x00\r\n"), ("PING",), ("INCRBY", "n", -5)]) == (
        b"*3\r\n$3\r\nSET\r\n$8\r\n\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87\r\n$3\r\n\x00\r\n\r\n"
        b"*1\r\n$4\r\nPING\r\n"
        b"*3\r\n$6\r\nINCRBY\r\n$1\r\nn\r\n$2\r\n-5\r\n"
    )
