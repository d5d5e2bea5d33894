"""A program that runs asyncio in another thread while a peer with its DHT runs in this one."""

import asyncio
import threading

from gossipbook.trade.opening import open_client

from .support import Author, certify, make_network, open_peer, until


class AsyncioThread(threading.Thread):
    """Does with asyncio what a web server's thread does: loops made and run, tasks, sockets, executors."""

    def __init__(self):
        super().__init__(daemon=True)
        self.rounds = 0
        self.failure = None
        self.stop = threading.Event()

    def run(self):
        try:
            while not self.stop.is_set():
                asyncio.run(self._round())
                loop = asyncio.new_event_loop()
                assert type(loop).__module__.startswith("asyncio."), type(loop)
                asyncio.set_event_loop(loop)
                loop.run_until_complete(asyncio.sleep(0))
                loop.close()
                asyncio.set_event_loop(None)
                self.rounds += 1
        except BaseException as error:  # noqa: BLE001  # For the test's own thread to raise.
            self.failure = error

    async def _round(self):
        async def echo(reader, writer):
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            assert await asyncio.wait_for(reader.readline(), 10) == b"hello\n"
            writer.close()
        assert await asyncio.gather(*(asyncio.to_thread(int, "7") for _ in range(3))) == [7, 7, 7]


async def test_asyncio_in_another_thread_goes_on_while_peers_with_a_dht_come_and_go(tmp_path):
    network = make_network(tmp_path, 2)
    thread = AsyncioThread()
    thread.start()
    try:
        await until(lambda: thread.rounds >= 3 or thread.failure)
        for _ in range(2):
            async with open_peer(network, tmp_path / "peer1", dht=True) as one:
                bootstrap = ("{}:{}".format(*one.dht.address),)
                async with open_peer(network, tmp_path / "peer2", dht=True, bootstrap=bootstrap) as two:
                    await until(lambda: (one.driver.links and two.driver.links) or thread.failure)
                    before = thread.rounds
                    async with open_client(two.local_address, network.chain_id) as client:
                        await certify(client, Author(network.chain_id), 3)
                    await until(lambda: thread.rounds > before + 3 or thread.failure)  # noqa: B023
            assert thread.failure is None
    finally:
        thread.stop.set()
        thread.join(20)
    assert not thread.is_alive()
    assert thread.failure is None
