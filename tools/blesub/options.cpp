#include "blesub/options.hpp"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include "base/file.hpp"
#include "base/mistyped.hpp"
#include "batch/topic.hpp"

namespace ble {
namespace {

constexpr char topic_of_all_devices[] = "tfg/detections/raw/+",
               topic_of_shards[] = "tfg/detections/raw/{shard}/+";

// A wrong value is a usage error when it was typed and a configuration error when the environment holds it.
Error wrong(const CommandLine &line, std::initializer_list<const char *> options, const std::string &text) {
    const bool typed = std::any_of(options.begin(), options.end(),
                                   [&](const char *option) { return line.on_command_line(option); });
    return Error(typed ? ExitCode::usage : ExitCode::config, text);
}

// Whose messages are ours, where several backends have some of them each.
void settle_part(ReceiveOptions &options, const CommandLine &line) {
    if (line.given("--share")) check_group(options.part.group, options.mqtt.topic, line);
    const auto first = options.mqtt.topic.find(TopicPattern::shard);
    const bool place = first != std::string::npos;
    if (place && options.mqtt.topic.find(TopicPattern::shard, first + 1) != std::string::npos)
        throw wrong(line, {"--topic", "--url"},
                    "{shard} stands in the topic '" + options.mqtt.topic + "' more than once");
    if (!line.given("--shards")) {
        if (place)
            throw wrong(
                line, {"--topic", "--url"},
                "the topic '" + options.mqtt.topic + "' has {shard} in it: choose the shards with --shards");
        return;
    }
    options.part.shards = parse_shards(options.shards);
    if (options.part.shards.empty())
        throw wrong(
            line, {"--shards"},
            "--shards '" + options.shards + "' is no list of hexadecimal digits and ranges, as 0-4,a");
    if (!place)
        throw wrong(line, {"--shards", "--topic", "--url"},
                    "--shards needs {shard} in the topic, and '" + options.mqtt.topic +
                        "' has none: " + topic_of_shards);
}

std::string instead_of(const std::string &word) {
    if (is_url(word)) return "--url " + word;
    if (is_number(word)) return "--port " + word;
    return (word.find_first_of("/#+") == std::string::npos ? "--broker " : "--topic ") + word;
}

}  // namespace

void declare_receive_options(ReceiveOptions &options, CommandLine &line) {
    line.group("Where from");
    line.texts("--url URL", options.urls,
               "mqtt[s]://[USER@]HOST[:PORT][/TOPIC], or ws[s]://[USER@]HOST[:PORT][/PATH]; sets several of "
               "the options below at once");
    line.text("--proxy URL", options.mqtt.proxy_url,
              "HTTP proxy, http://HOST:PORT, for URLs of ws and wss (else https_proxy, http_proxy, no_proxy)",
              "-");
    declare_mqtt_options(options.mqtt, line,
                         "the topic of the batches; + and # are allowed. With --topic-device it must end in "
                         "/+, and the default is tfg/detections/raw/+");
    line.group("Delivery");
    line.choice("--ack", options.ack, {"consumed", "received"},
                "when to acknowledge a message to the broker: when the reader has consumed it, or when it is "
                "written");
    line.number("--window N", options.window, 1, 1000,
                "take at most N messages, wait until the reader has consumed all of them, and acknowledge "
                "them together");
    line.flag("--confirm", options.confirm,
              "tell blesend --confirm stored which batches are stored; all blesub with --confirm must write "
              "to one database");
    line.text("--confirm-key FILE", options.confirm_key_file,
              "the file that holds the key of confirmations (or CONFIRM_KEY, or CONFIRM_KEY_FILE names the "
              "file). The same key as for blesend; nobody without it can confirm",
              "-");
    line.flag("--topic-device", options.topic_device,
              "the last level of a topic is a device_id: take only batches of this device from it, and add "
              "the sender to each line");
    line.text(
        "--share GROUP", options.part.group,
        "share the messages of the topic with all blesub of the same group; all must write to one database");
    line.text("--shards LIST", options.shards,
              "take only these sixteenths of all devices, as 0-4,a; the topic needs {shard} in it, and the "
              "default is tfg/detections/raw/{shard}/+");
    line.text("--reject FILE", options.reject,
              "file for rejected lines: too long, with a member sender, or of another device than the topic");
    line.number("-n,--count N", options.count, 0, INT64_MAX, "end after N batches; 0: never");
    declare_doctor(options.doctor, line, "the way to the broker and the rights there");
    line.stray(instead_of);
    line.epilogue(
        "Examples:\n"
        "  blesub --host localhost | jq .device_id\n"
        "  blesub --url mqtts://backend@broker.example --client-id backend | bleingest\n"
        "  blesub --url mqtts://backend@broker.example --client-id backend --topic-device | bleingest\n"
        "  blesub --url mqtts://backend@broker.example --share backends --confirm | bleingest --db "
        "postgresql://…\n"
        "With --client-id the broker keeps the messages that arrive while blesub does not run. Without it "
        "they are lost.");
}

bool disabled_by_environment() {
    const char *enabled = std::getenv("MQTT_ENABLED");
    return enabled != nullptr && std::string_view(enabled) == "false";
}

void validate_receive_options(ReceiveOptions &options, const CommandLine &line) {
    if (disabled_by_environment()) return;
    validate_doctor(options.doctor, line);
    if (!line.given("--topic")) {
        if (line.given("--shards"))
            options.mqtt.topic = topic_of_shards;
        else if (options.topic_device)
            options.mqtt.topic = topic_of_all_devices;
    }
    apply_mqtt_urls(options.mqtt, options.urls, line);
    validate_mqtt_options(options.mqtt, line);
    check_topic_filter(options.mqtt.topic, line);
    settle_part(options, line);
    if (options.topic_device && !options.mqtt.topic.ends_with("/+"))
        throw wrong(line, {"--topic", "--topic-device", "--url"},
                    "with --topic-device the last level of the topic is the device: the topic '" +
                        options.mqtt.topic + "' must end in /+");
    if (options.common.check) check_place("the reject file", options.reject);
    if (options.confirm && options.ack != "consumed")
        throw wrong(line, {"--confirm", "--ack"},
                    "--confirm says that batches are stored, but --ack received does not wait until they "
                    "are: leave out one of the two");
    if (options.confirm)
        options.confirm_key = find_confirm_key(options.confirm_key_file);
    else if (line.on_command_line("--confirm-key"))
        throw Error(ExitCode::usage, "--confirm-key is for --confirm: without it nothing is confirmed");
}

}  // namespace ble
