"""What a desk tells comes to its event loop in order, and a loop that has ended harms nobody."""

from __future__ import annotations

import asyncio

from baco_server.api.mailbox import Mailbox


def test_letters_come_with_the_next_delivery_each_to_its_queue_in_order() -> None:
    async def scene() -> list[list[int]]:
        mailbox, queues = Mailbox(), [asyncio.Queue[int](), asyncio.Queue[int]()]
        for number in range(6):
            mailbox.post(asyncio.get_running_loop(), queues[number % 2], number)
        await asyncio.sleep(0)
        assert all(queue.empty() for queue in queues)
        await asyncio.to_thread(mailbox.deliver)
        await asyncio.to_thread(mailbox.deliver)  # once is enough
        return [[queue.get_nowait() for _ in range(queue.qsize())] for queue in queues]

    assert asyncio.run(scene()) == [[0, 2, 4], [1, 3, 5]]


def test_letters_for_a_loop_that_has_ended_hold_up_no_others() -> None:
    async def scene() -> int:
        mailbox, queue = Mailbox(), asyncio.Queue[int]()
        ended = asyncio.new_event_loop()
        ended.close()
        mailbox.post(ended, asyncio.Queue(), 1)
        mailbox.post(asyncio.get_running_loop(), queue, 2)
        mailbox.deliver()
        return await asyncio.wait_for(queue.get(), 10)

    assert asyncio.run(scene()) == 2
