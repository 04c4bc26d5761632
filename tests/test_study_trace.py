"""What strace writes, read back: recorded lines of a bridge that carried one message."""

from nsbridge.study.trace import Call, condensed, message, parse

NET_IPC = r"""
12 100.000100 recvfrom(7,  <unfinished ...>
13 100.000200 msgrcv(4,  <unfinished ...>
12 100.100000 <... recvfrom resumed>"one line\n", 65536, 0, NULL, NULL) = 9 <0.099900>
12 100.100100 msgsnd(3, {mtype=3, mtext="one line\n"}, 9, 0) = 0 <0.000020>
12 100.100200 recvfrom(7,  <unfinished ...>
13 100.100300 <... msgrcv resumed>{mtype=3, mtext="one line\n\0\0\0\0"...}, 8192, 0, 0) = 9 <0.100100>
13 100.100400 sendto(7, "one line\n", 9, 0, NULL, 0) = 9 <0.000040>
13 100.100500 msgrcv(4, {mtype=4, mtext="one line\n"}, 8192, 0, 0) = 0 <0.000010>
12 100.100600 +++ exited with 0 +++
""".strip().splitlines()

MNT = r"""
21 5.000000 read(7, "\4\0\0\0\2\0\0\0\0\0\0\0\20\0\0\0000\0", 65536) = 32 <0.1>
21 5.200000 read(8, "one line\n", 65536) = 9 <0.000023>
21 5.300000 write(3, "one line\n", 9) = 9 <0.000118>
""".strip().splitlines()


def test_a_call_in_two_halves_is_one_with_both_times() -> None:
    first = next(parse(NET_IPC))
    assert (first.tid, first.name, first.start, first.end) == (12, "recvfrom", 100.0001, 100.1)
    assert first.text == r'recvfrom(7, "one line\n", 65536, 0, NULL, NULL) = 9'
    assert first.slide == "Recv"


def test_calls_that_did_not_return_and_exits_are_left_out() -> None:
    assert [call.name for call in parse(NET_IPC)] == ["recvfrom", "msgsnd", "msgrcv", "sendto", "msgrcv"]


def test_what_a_buffer_held_before_is_not_shown() -> None:
    *_, last = parse(NET_IPC)
    assert last.text == 'msgrcv(4, {mtype=4, mtext=""}, 8192, 0, 0) = 0'


def test_a_message_is_followed_there_and_back() -> None:
    calls = message(list(parse(NET_IPC)), "one line")
    assert [call.name for call in calls] == ["recvfrom", "msgsnd", "msgrcv", "sendto"]
    assert message(list(parse(NET_IPC)), "another") == []


def test_the_event_that_told_of_a_file_belongs_to_the_message() -> None:
    assert [call.name for call in message(list(parse(MNT)), "one line")] == ["read", "read", "write"]


def test_repeated_calls_are_folded() -> None:
    drops = [Call(1, 0, 0, "prctl", f"PR_CAPBSET_DROP, {cap}", "0") for cap in range(3)]
    other = Call(1, 0, 0, "prctl", "PR_SET_NO_NEW_PRIVS, 1", "0")
    folded = condensed([*drops, other])
    assert [call.times for call in folded] == [3, 1]
    assert folded[0].text.endswith("= 0   (3 times)")


def test_a_line_that_is_no_call_is_no_matter() -> None:
    assert list(parse(["strace: Process 3 attached", "", "3 1.0 --- SIGCHLD {} ---"])) == []
