"""Each sentence of the README's promise, and the tests that hold it: a sentence without a test fails here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
README = TESTS.parent / "README.md"

# By number: how the sentence begins, and what holds it.
PROMISES: dict[int, tuple[str, list[str]]] = {
    1: (
        "Each line that you type comes back once",
        [
            "e2e/test_faults.py::test_no_fault_loses_doubles_or_misplaces_a_line",
            "e2e/test_pairs.py::test_hard_lines_come_back_byte_for_byte",
            "programs/test_client.py::test_what_was_lost_in_a_break_is_sent_again_and_shown_once",
        ],
    ),
    2: (
        "Otherwise the client says which lines did not come back",
        [
            "programs/test_client.py::test_who_hears_nothing_for_too_long_is_told_which_lines",
            "programs/test_client.py::test_lines_that_did_not_come_back_are_numbered",
            "programs/test_client.py::test_a_service_that_swallows_lines_is_told_of",
            "programs/test_client.py::test_a_service_that_is_gone_for_good_is_given_up",
        ],
    ),
    3: (
        "A byte that comes back changed is an error",
        ["programs/test_client.py::test_a_line_that_comes_back_changed_is_named"],
    ),
    4: (
        "Bytes arrive in order",
        [
            "strangers/test_hold.py::test_every_message_is_accounted_for",
            "strangers/test_hold.py::test_every_size_comes_back_whole",
            "media/test_contract.py::test_bytes_arrive_as_they_were_written",
        ],
    ),
    5: (
        "An end is an end on the other side",
        [
            "strangers/test_promises.py::test_a_half_close_leaves_the_other_direction_open",
            "media/test_contract.py::test_end_of_one_direction_leaves_the_other_open",
            "media/test_contract.py::test_a_relay_carries_bytes_ends_and_closes",
            "strangers/test_examples.py::test_a_stranger_talks_to_a_stranger",
        ],
    ),
    6: (
        "A break on one side is a break on the other",
        [
            "strangers/test_promises.py::test_a_break_is_seen_as_a_break",
            "media/test_folder.py::test_what_is_left_of_a_stream_that_is_being_removed_is_not_its_end",
            "media/test_contract.py::test_a_break_is_never_an_end",
            "media/test_contract.py::test_a_relay_carries_a_break",
        ],
    ),
    7: (
        "A process that is killed is a break on IPC and MNT",
        ["media/test_contract.py::test_a_process_that_is_killed_is_a_break_except_on_net"],
    ),
    8: (
        "A reader that stalls stops its own writer",
        [
            "strangers/test_promises.py::test_a_stalled_reader_stops_its_own_writer_and_nobody_else",
            "media/test_contract.py::test_a_stalled_reader_stops_its_writer_and_nobody_else",
        ],
    ),
    9: ("A bridge that dies is replaced", ["e2e/test_dead_parts.py::test_a_killed_bridge_is_replaced"]),
    10: (
        "A container that is started again",
        [
            "e2e/test_restart.py::test_a_part_that_is_restarted_is_another_process_and_the_echo_comes",
            "e2e/test_restart.py::test_a_container_that_runc_starts_again_from_outside_is_joined",
        ],
    ),
    11: (
        "A supervisor that is killed does not lose the lab",
        ["e2e/test_restart.py::test_a_supervisor_that_was_killed_is_replaced_by_the_next_command"],
    ),
    12: (
        "Labs side by side do not disturb each other",
        ["e2e/test_dead_parts.py::test_labs_stand_side_by_side_and_a_name_is_used_once"],
    ),
    13: (
        "`nsbridge down` leaves the machine as it was",
        [
            "e2e/test_power_off.py::test_down_and_up_succeed_after",
            "e2e/test_power_off.py::test_down_and_up_succeed_without_root_after",
            "e2e/test_killed_up.py::test_down_clears_up_after_an_up_that_was_killed",
            "e2e/test_cycles.py::test_after_some_cycles_all_is_as_before",
        ],
    ),
    14: (
        "It ends no process that is not the lab's",
        ["e2e/test_power_off.py::test_a_process_that_has_a_pid_on_record_by_now_is_left_alone"],
    ),
    15: (
        "From inside, neither the other container nor the host nor the bridge can be reached",
        ["e2e/test_attacks.py::test_an_attempt_is_refused"],
    ),
    16: (
        "Who uses up all that there is",
        [
            "e2e/test_attacks.py::test_whoever_uses_everything_up_starves_nobody_silently",
            "e2e/test_attacks.py::test_who_uses_up_what_root_limits_starves_nobody_silently",
        ],
    ),
    17: (
        "The bridge imports, executes and opens nothing of a container's",
        [
            "e2e/test_planted.py::test_the_bridge_imports_loads_and_opens_nothing_of_a_containers",
            "e2e/test_planted.py::test_a_planted_link_is_not_followed_by_the_bridge",
        ],
    ),
    18: (
        "It has no capability in any set",
        [
            "e2e/test_pairs.py::test_the_serving_bridge_has_no_privilege_left",
            "e2e/test_pairs.py::test_the_serving_bridge_sees_no_file_of_the_host",
            "programs/test_confine.py::test_a_confined_process_may_not",
            "programs/test_confine.py::test_without_a_folder_no_file_is_within_reach",
        ],
    ),
    19: (
        "No descriptor is open but those that it needs",
        ["e2e/test_pairs.py::test_the_serving_bridge_holds_no_descriptor_but_those_it_needs"],
    ),
    20: (
        "Its tasks, its memory and its log are limited",
        [
            "e2e/test_pairs.py::test_the_serving_bridge_has_limits",
            "e2e/test_planted.py::test_a_bridge_may_write_only_so_much_into_its_log",
        ],
    ),
    21: (
        "Who breaks the wire form",
        [
            "strangers/test_rogues.py::test_a_rogue_client_costs_its_own_stream",
            "strangers/test_rogues.py::test_a_rogue_server_costs_its_own_stream",
            "strangers/test_rogues.py::test_who_says_nothing_while_a_stream_is_opened_is_given_up",
            "fuzz/test_fuzz.py::test_garbage_harms_nobody",
        ],
    ),
    22: (
        "A stream of any length",
        [
            "strangers/test_hold.py::test_a_long_stream_takes_bounded_memory_and_disk",
            "strangers/test_hold.py::test_many_streams_leave_nothing_behind",
        ],
    ),
    23: (
        "Any client and any server of TCP",
        [
            "strangers/test_services.py::test_curl_fetches_pages_from_pythons_http_server",
            "strangers/test_services.py::test_git_clones_and_fetches_from_its_daemon",
            "strangers/test_services.py::test_redis_benchmark_talks_to_redis",
            "strangers/test_services.py::test_nc_sends_a_file_to_nc_either_way",
            "strangers/test_services.py::test_socat_talks_to_socat",
            "programs/test_gate.py::test_programs_of_tcp_talk_through_two_gates",
        ],
    ),
}


def promised() -> dict[int, str]:
    """Return the numbered sentences of the README's section."""
    section = README.read_text().split("## What is promised\n")[1].split("\n## ")[0]
    items = re.findall(r"^(\d+)\. (.+(?:\n   .+)*)", section, re.MULTILINE)
    return {int(number): " ".join(text.split()) for number, text in items}


def test_each_sentence_of_the_promise_has_tests_and_none_is_made_up() -> None:
    sentences = promised()
    assert list(sentences) == list(range(1, len(sentences) + 1))
    assert sentences.keys() == PROMISES.keys()
    for number, (begin, tests) in PROMISES.items():
        assert sentences[number].startswith(begin), number
        assert tests


@pytest.mark.parametrize("number", PROMISES)
def test_the_tests_of_a_sentence_exist(number: int) -> None:
    for name in PROMISES[number][1]:
        file, _, test = name.partition("::")
        tree = ast.parse((TESTS / file).read_text())
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


def test_what_is_said_of_time_is_what_the_client_does() -> None:
    source = (TESTS.parent / "nsbridge/programs/client.py").read_text()
    figures = {
        name: float(value) for name, value in re.findall(r"^([A-Z]+) = ([\d.]+)  # seconds", source, re.MULTILINE)
    }
    assert f"within {figures['PATIENCE']:.0f} seconds" in promised()[1]
    assert f"after {figures['SILENCE']:.0f} seconds" in promised()[2]
