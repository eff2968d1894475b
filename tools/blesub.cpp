// blesub: subscribe to a broker's topic, write its batches to standard output, tell the broker when they are safe.
// The contract (options, guarantees, exit codes) is man/blesub.1.
#include <optional>

#include "base/command_line.hpp"
#include "base/log.hpp"
#include "blesub/doctor.hpp"
#include "blesub/options.hpp"
#include "blesub/receiver.hpp"

namespace {

using namespace ble;

void warn(const ReceiveOptions &options) {
    const bool shared = !options.part.group.empty();
    if (options.mqtt.client_id.empty() && !(shared && options.confirm))
        log_info(shared ? "without --client-id the broker forgets the messages that it has sent when blesub "
                          "dies: use --confirm here, and --confirm stored at each blesend"
                        : "without --client-id the broker keeps no messages for blesub: what arrives while "
                          "blesub does not run is lost");
    if (options.confirm && !options.confirm_key)
        log_warning(
            "--confirm without --confirm-key: anybody who may publish on the topics of confirmations can "
            "confirm a batch; give blesub and each blesend the same key, made by openssl rand -hex 32 >FILE");
    warn_of_plain_password(options.mqtt);
    if (options.mqtt.insecure) log_warning("--insecure: anyone could pretend to be the broker");
}

ExitCode run(const ReceiveOptions &options) {
    if (disabled_by_environment()) {
        log_info("MQTT_ENABLED=false: nothing to do");
        return ExitCode::ok;
    }
    if (options.doctor.asked) return print_receive_diagnosis(options);
    Counters counters;
    std::optional<Receiver> receiver;
    Lifecycle lifecycle(options.common, counters, [&] {
        if (receiver) receiver->refresh();
    });
    receiver.emplace(options, counters);
    warn(options);
    return receiver->run(lifecycle);
}

}  // namespace

int main(int argc, char **argv) {
    return run_tool<ReceiveOptions>(
        argc, argv, "blesub",
        "write a broker's batches to standard output, and acknowledge them when they are safe.",
        declare_receive_options, validate_receive_options, run);
}
