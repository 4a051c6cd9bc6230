"""Which of Microsoft's tests fail against our bus, and why; and which only the whole set runs.

A name stands for a test with all its parameters, or for one of them with its brackets.
"""

_WEB_SOCKET = "the bus speaks AMQP over TCP and TLS, not over WebSocket on port 443"
_STALE_OUTCOME = "the test replaces a method of the SDK by one without the SDK's `await_outcome`"
_STALE_WAIT = "the test expects to wait 65 s; the SDK of this version ends the wait after its own"
_DECIMAL = "the SDK cannot decode the decimal that it encoded itself, and drops the message"

EXPECTED: dict[str, str] = {
    "test_async_next_available_session_timeout_value": _STALE_WAIT,
    "test_async_queue_operation_negative": _STALE_OUTCOME,
    "test_async_queue_send_large_message_receive": _WEB_SOCKET,
    "test_async_queue_send_timeout": _WEB_SOCKET,
    "test_async_queue_send_twice": _WEB_SOCKET,
    "test_custom_endpoint_connection_verify_exception": _WEB_SOCKET,
    "test_message_property": _DECIMAL,
    "test_next_available_session_timeout_value": _STALE_WAIT,
    "test_queue_message_amqp_over_websocket": _WEB_SOCKET,
    "test_queue_operation_negative": _STALE_OUTCOME,
    "test_queue_send_large_message_receive": _WEB_SOCKET,
    "test_queue_send_timeout": _WEB_SOCKET,
    "test_queue_send_twice": _WEB_SOCKET,
    "test_sb_client_with_ssl_context[ws-pyamqp]": _WEB_SOCKET,
    "test_sb_client_with_ssl_context_async[ws-pyamqp]": _WEB_SOCKET,
}

SLOW: tuple[str, ...] = (
    "test_github_issue_6178",
    "test_queue_by_queue_client_conn_str_receive_handler_release_messages",
    "test_queue_by_queue_client_conn_str_receive_handler_with_autolockrenew",
    "test_queue_cancel_scheduled_messages",
    "test_queue_receive_handler_with_autolockrenew_many_msgs",
    "test_queue_receive_keep_conn_alive",
    "test_queue_receiver_sender_resume_after_link_timeout",
    "test_queue_schedule_message",
    "test_queue_schedule_multiple_messages",
    "test_session_by_servicebus_client_session_pool",
    "test_session_cancel_scheduled_messages",
    "test_session_connection_failure_is_idempotent",
    "test_session_schedule_message",
    "test_session_schedule_multiple_messages",
    "test_topic_by_servicebus_client_send_large_messages_w_sleep",
)
"""Tests that sleep for a minute and more: only in the whole set."""


def reason(node: str) -> str | None:
    """Say why a test is expected to fail, or nothing."""
    name = node.rpartition("::")[2]
    return EXPECTED.get(name, EXPECTED.get(name.partition("[")[0]))


def is_slow(node: str) -> bool:
    """Say whether a test sleeps for a minute and more; the aio ones have almost the same names."""
    name = node.rpartition("::")[2].partition("[")[0].replace("_async", "")
    return name in SLOW
