"""bluetoothd that was not scheduled for a while: it misses that the kernel has ended a discovery, and holds it for running
ever after, on D-Bus as well. blescan's watchdog notices; only a restart of bluetoothd mends it, and a greater socket spares it."""
from harness.bluez_vm import BluezTest, boot

ADVERTISERS = [f"C0:00:00:00:00:{i:02X} random nonconn -60 02010607FF9904NN010203" for i in range(250)]
# The kernel ends a discovery after 10 s, to be started again; until then its events fill the socket of bluetoothd.
STARVE = """
scans() { grep 'cmd 200c len 2' /out/truth | tail -n 1 | grep -q 'len 2 on'; }
rests() { ! scans; }
starve() {
    until_true 60 scans
    kill -STOP "$(cat /run/bluetoothd.pid)"
    until scans; do  # it has ended in this very moment: without bluetoothd there is no other
        kill -CONT "$(cat /run/bluetoothd.pid)"
        until_true 60 scans
        kill -STOP "$(cat /run/bluetoothd.pid)"
    done
    until_true 60 rests
    kill -CONT "$(cat /run/bluetoothd.pid)"
}
"""
STARVED = STARVE + """
stop_bluetoothd
echo 212992 >/proc/sys/net/core/rmem_default  # as on every Debian
start_bluetoothd
scan starved --source bluez --each --watchdog 5
hears starved 100
starve
until_true 60 said starved 'restarting discovery' 1
rests
wait "$(cat /run/starved)"
"""
RESTARTED = STARVE + """
stop_bluetoothd
echo 4194304 >/proc/sys/net/core/rmem_default
start_bluetoothd
scan again --source bluez --each
hears again 100
starve
until_true 60 scans
hears again 100
finish again
"""


class Starved(BluezTest):
    @classmethod
    def setUpClass(cls):
        cls.booted = boot([("starved", STARVED), ("restarted", RESTARTED)], ADVERTISERS, controller="-i 500")

    def test_it_is_given_up_with_advice_that_helps(self):
        self.step("starved", 69)
        said = self.booted.files["starved.said"].decode()
        steps = ["restarting discovery", "switching it off and on", "not even after a power cycle", "systemctl restart bluetooth"]
        self.assertEqual([step for step in steps if step in said], steps)

    def test_a_restart_helps_and_a_greater_socket_spares_it(self):
        self.step("restarted")
