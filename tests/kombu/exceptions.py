"""Which of kombu's tests do not apply to our classes, and why: everything else has to pass."""

from typing import Final


def _unit(*names: str) -> list[str]:
    return [f"t/unit/transport/test_redis.py::{name}" for name in names]


def _server(*names: str) -> list[str]:
    """Each of these runs without and with a prefix of all keys."""
    variants = [f"{name}[{variant}]" for name in names for variant in ("None", "connection1")]
    return [f"t/integration/test_redis.py::{variant}" for variant in variants]


def _full(*names: str) -> list[str]:
    """About a consumer that holds all it may."""
    return [f"t/integration/test_redis_brpop_qos.py::{name}" for name in names]


#: Reason → tests.
EXCEPTIONS: Final[dict[str, list[str]]] = {
    "It asserts that BRPOP is what is sent; we send the script that claims.": _unit(
        "test_Channel::test_brpop_start_sends_keys_and_timeout",
        "test_Channel::test_brpop_start_prefixes_keys",
    ),
    "It feeds in a reply to BRPOP; we read the reply to a claim, and none was sent.": _unit(
        "test_Channel::test_brpop_read_raises",
        "test_Channel::test_brpop_read_gives_None",
        "test_Channel_streaming_reauth::test_brpop_read_flushes_reauth_on_completion",
        "test_Channel_streaming_reauth::test_brpop_read_connection_error_does_not_eager_reconnect",
    ),
    "It asserts that giving back is a transaction with WATCH; ours is a script.": _unit(
        "test_Channel::test_restore_by_tag_keeps_unacked_message_on_connection_error",
        "test_Channel::test_restore_by_tag_requeues_when_lookup_succeeds",
        "test_Channel::test_global_keyprefix_transaction",
    ),
    "It asserts that overdue messages are found by ZRANGE under a lock; ours by a script.": _unit(
        "test_Channel::test_qos_restore_visible",
        "test_Channel::test_qos_restore_visible_interval_throttles",
        "test_Channel::test_qos_restore_visible_zero_interval_no_zerodivision",
        "test_Channel::test_qos_restore_visible_uses_zrange_byscore_rev",
        "test_Channel::test_qos_restore_visible_without_limit",
        "test_Channel::test_global_keyprefix_restore_visible",
    ),
    "It asserts that rejecting has a pipeline of its own; ours is an acknowledgement.": _unit(
        "test_MultiChannelPoller::test_qos_reject",
    ),
    "It switches acknowledgements off, which loses messages; we refuse that.": _unit(
        "test_Channel::test_disable_ack_emulation",
    ),
    "It allows five timers on the event loop; we have two more, for looking and for leases.": _unit(
        "test_Channel::test_register_with_event_loop_stores_trefs_on_cycle",
    ),
    "It asserts the exact wait; where the server does not tell of changes, we wait less.": _unit(
        "test_PausedBRPOP::test_paused_channel_keeps_polling_other_socket",
    ),
    "It asserts that closing delivers what BRPOP has taken; we give a claim back unread.": _unit(
        "test_PausedBRPOP::test_channel_close_drains_pending_reply_and_removes_pause",
    ),
    "It wants one message from each drain_events(); we hand over all that was claimed.": _server(
        "test_RedisPriority::test_publish_consume",
        "test_RedisPriority::test_publish_requeue_consume",
        "test_RedisQueueExpiration::test_expiration_gets_reset_on_get",
    ),
    "It has the look-up of bindings fail; our records name the queue, so nothing is looked up.": (
        _server(
            "test_RedisRestoreBindingLookupFailure::test_failed_requeue_keeps_message_unacked",
            "test_RedisRestoreBindingLookupFailure"
            "::test_failed_restore_visible_keeps_message_unacked",
        )
    ),
    "It needs a BRPOP on its way after an idle drain_events(); a claim is answered at once.": (
        _server(
            "test_RedisBrpopHealthCheck::test_live_connection_with_unread_reply_not_dropped",
            "test_RedisBrpopHealthCheck::test_half_open_connection_dropped_and_consumption_resumes",
            "test_RedisBrpopHealthCheck::test_half_open_connection_dropped_by_drain_events",
        )
    ),
    "It needs a reply, message or nil, that waits unread; what waits is the server's word.": _full(
        "test_hub_pauses_pending_brpop_until_ack[nil]",
        "test_hub_pauses_pending_brpop_until_ack[message]",
        "test_drain_events_resumes_pending_brpop_without_resending",
        "test_pending_message_survives_cancel_or_close[cancel]",
    ),
}

LEFT_OUT: Final = frozenset(test for tests in EXCEPTIONS.values() for test in tests)
