#include "blesend/options.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "base/command_line.hpp"
#include "base/file.hpp"
#include "base/mistyped.hpp"
#include "batch/topic.hpp"
#include "spool/spool_status.hpp"
#include "transport/transport.hpp"

namespace ble {

namespace {

void declare_destination(SendOptions &options, CommandLine &line) {
    options.mode = transport_modes().front();
    options.reject = default_state_path("blesend.rejected.ndjson");
    if (const std::string name = "blesend.spool", path = default_state_path(name); path != name)
        options.spool = path;
    line.group("Where to");
    line.choice("--mode", options.mode, transport_modes(), "how to deliver", "COMMUNICATION_MODE");
    line.texts("--url URL", options.urls,
               "mqtt[s]://HOST[:PORT][/TOPIC], ws[s]://HOST[:PORT][/PATH] or http[s]://HOST[:PORT][/PATH]; "
               "sets --mode too. Default with --mode http: http://localhost:8000. May be repeated: one "
               "server that answers is used",
               "HTTP_BASE_URL");
    declare_mqtt_options(options.transport.mqtt, line,
                         "the topic of the batches; {device_id} in it is replaced by the batch's device_id, "
                         "{shard} by the device's shard (one of 16)");
    line.group("HTTP, and MQTT over WebSocket");
    line.text("--proxy URL", options.transport.mqtt.proxy_url,
              "HTTP proxy, http://HOST:PORT, for URLs of ws, wss, http and https (else https_proxy, "
              "http_proxy, no_proxy)",
              "-");
    declare_http_options(options.transport.http, line);
}

void declare_spool(SendOptions &options, CommandLine &line) {
    line.group("Delivery");
    line.text("--spool FILE", options.spool,
              "keep the spool in FILE, safe from a kill and a power cut; empty: in memory. Default under "
              "systemd: $STATE_DIRECTORY/blesend.spool");
    line.number("--spool-max", options.spool_max, 1, 1'000'000'000, "most batches in the spool on disk");
    line.number("--spool-max-bytes", options.spool_max_bytes, 1, INT64_MAX,
                "most bytes in the spool on disk");
    line.flag("--status", options.status, "print what the spool on disk holds, as JSON, and end", "-");
    line.number("--buffer", options.buffer, 0, 100'000'000,
                "most batches in the spool in memory. 0, for http only: no spool; each batch is tried once "
                "and then dropped",
                "MQTT_BUFFER_SIZE");
    line.choice(
        "--policy", options.policy, {"drop-oldest", "block"},
        "when the spool is full: drop the oldest batch, or let the input wait (the default for a file)");
    line.duration("--drop-after", options.drop_after,
                  "when the spool is full, wait this long for a delivery before dropping");
    line.duration("--max-age", options.max_age,
                  "drop batches that waited in the spool for longer than this; 0: never");
}

void declare_delivery(SendOptions &options, CommandLine &line) {
    line.number("--inflight", options.inflight, 1, 65'535,
                "send at most N messages without acknowledgement; http: the default is 1, and with more, "
                "batches may arrive in another order");
    line.number("--coalesce", options.coalesce, 1, 65'535,
                "put up to N waiting batches, and at most 256 KiB, into one message");
    line.choice("--confirm", options.transport.confirm, {"received", "stored"},
                "when a batch is delivered: when the broker has received it, or when the backend has stored "
                "it (needs blesub --confirm); http: always stored");
    line.text("--confirm-key FILE", options.transport.confirm_key_file,
              "the file that holds the key of confirmations (or CONFIRM_KEY, or CONFIRM_KEY_FILE names the "
              "file). The same key as for blesub; nobody without it can confirm",
              "-");
    line.duration("--confirm-timeout", options.transport.confirm_timeout,
                  "send a batch again when it was not confirmed for this long");
    line.duration(
        "--drain-timeout", options.drain_timeout,
        "at the end of input, wait this long for the spool to empty; 0: for ever (5 s after SIGTERM)");
    line.text("--reject FILE", options.reject,
              "file for rejected lines: not a batch, or refused by the server or broker for good");
    line.text("--status-topic TOPIC", options.transport.status_topic,
              "keep a retained \"online\" or \"offline\" on this topic");
    line.number("-n,--count N", options.count, 0, INT64_MAX, "end after N batches; 0: at the end of input");
    declare_doctor(options.doctor, line, "the way to the broker or server, the spool and the clock");
}

std::string instead_of(const std::string &word) {
    if (is_url(word)) return "--url " + word;
    if (is_number(word)) return "--port " + word;
    if (word.ends_with(".spool")) return "--spool " + word;
    return (is_file(word) && word.ends_with("json") ? "<" : "--broker ") + word;
}

}  // namespace

void declare_send_options(SendOptions &options, CommandLine &line) {
    declare_destination(options, line);
    declare_spool(options, line);
    declare_delivery(options, line);
    line.stray(instead_of);
    line.epilogue(
        "Examples:\n"
        "  blescan | blesend --host broker.example --tls\n"
        "  blescan | blesend --url https://backend.example --api-key-file key\n"
        "  blescan | blesend --host broker.example --spool pi.spool\n"
        "  blescan | blesend --host broker.example --tls --topic 'tfg/detections/raw/{device_id}'\n"
        "  blesend --spool pi.spool --status\n"
        "  blesend --url mqtt://localhost/tfg/detections/raw --drain-timeout 60 <batches.ndjson");
}

namespace {

// The mode that an URL is for.
std::string mode_of(const std::string &url) {
    const std::string scheme = url.substr(0, url.find("://"));
    if (scheme == "http" || scheme == "https") return "http";
    if (scheme == "mqtt" || scheme == "mqtts" || scheme == "ws" || scheme == "wss") return "mqtt";
    throw Error(ExitCode::usage,
                "unable to use --url: it begins with none of mqtt://, mqtts://, ws://, wss://, http:// and "
                "https://");
}

// URLs that were typed decide the mode; HTTP_BASE_URL in the environment only says where http goes.
void settle_mode(SendOptions &options, const CommandLine &line) {
    const bool typed = line.on_command_line("--url");
    if (typed) {
        const auto mode = mode_of(options.urls.front());
        for (const auto &url : options.urls)
            if (mode_of(url) != mode)
                throw Error(ExitCode::usage, "one --url is for MQTT and another for HTTP: use one kind only");
        if (line.given("--mode") && options.mode != mode)
            throw Error(ExitCode::usage,
                        "--url begins with " +
                            options.urls.front().substr(0, options.urls.front().find(':')) + ":// and " +
                            (line.on_command_line("--mode") ? "--mode" : "COMMUNICATION_MODE") + " says " +
                            options.mode + ": they contradict each other");
        options.mode = mode;
    }
    if (options.mode == "http" && !options.urls.empty()) options.transport.http.urls = options.urls;
    if (options.mode == "mqtt" && typed) apply_mqtt_urls(options.transport.mqtt, options.urls, line);
}

// It is said when the link is made, and by the broker when it is lost: before any batch, and for none.
void check_status_topic(const std::string &topic, const CommandLine &line) {
    for (const auto name : {TopicPattern::device, TopicPattern::shard})
        if (topic.find(name) != std::string::npos)
            throw Error(line.on_command_line("--status-topic") ? ExitCode::usage : ExitCode::config,
                        "--status-topic '" + topic + "' has " + std::string(name) +
                            " in it, which is possible only in --topic: write the Pi's device_id there");
}

void settle_confirm_key(SendOptions &options, const CommandLine &line) {
    if (options.transport.confirm == "stored")
        options.transport.confirm_key = find_confirm_key(options.transport.confirm_key_file);
    else if (line.on_command_line("--confirm-key"))
        throw Error(ExitCode::usage,
                    "--confirm-key is for --confirm stored: without it nothing is confirmed");
}

// HTTP has no order but that of one request after the other: whoever gives it up says so.
void settle_inflight(SendOptions &options, const CommandLine &line) {
    if (options.mode == "http" && !line.given("--inflight")) options.inflight = 1;
    if (options.mode == "http" && options.one_try() && options.inflight > 1)
        throw Error(line.on_command_line("--buffer") || line.on_command_line("--inflight") ? ExitCode::usage
                                                                                           : ExitCode::config,
                    "--buffer 0 (MQTT_BUFFER_SIZE) sends one batch after the other: it contradicts "
                    "--inflight of more than 1");
    options.transport.inflight = static_cast<std::size_t>(options.inflight);
}

void settle_spool(SendOptions &options, const CommandLine &line) {
    if (options.status && options.spool.empty())
        throw Error(ExitCode::usage,
                    "--status needs --spool FILE: another process cannot see a spool in memory");
    if (options.status || !options.one_try()) return;
    if (options.max_age.count() > 0)
        throw Error(line.on_command_line("--max-age") || line.on_command_line("--buffer") ? ExitCode::usage
                                                                                          : ExitCode::config,
                    "--buffer 0 (MQTT_BUFFER_SIZE) sends without a spool: it contradicts --max-age");
    const bool typed = line.on_command_line("--spool") || line.on_command_line("--buffer");
    if (line.given("--spool") && !options.spool.empty())
        throw Error(typed ? ExitCode::usage : ExitCode::config,
                    "--buffer 0 (MQTT_BUFFER_SIZE) sends without a spool: it contradicts --spool");
    options.spool.clear();
}

}  // namespace

void validate_send_options(SendOptions &options, const CommandLine &line) {
    validate_doctor(options.doctor, line);
    settle_spool(options, line);
    if (options.status) return;
    if (options.common.check) {
        check_spool(options.spool);
        check_place("the reject file", options.reject);
    }
    if (options.one_try() && options.coalesce > 1)
        throw Error(line.on_command_line("--buffer") || line.on_command_line("--coalesce") ? ExitCode::usage
                                                                                           : ExitCode::config,
                    "--buffer 0 (MQTT_BUFFER_SIZE) sends each batch alone: it contradicts --coalesce");
    settle_mode(options, line);
    settle_inflight(options, line);
    MqttOptions &mqtt = options.transport.mqtt;
    HttpOptions &http = options.transport.http;
    if (options.mode == "http") {
        http.cafile = mqtt.cafile, http.capath = mqtt.capath, http.cert = mqtt.cert, http.key = mqtt.key;
        http.insecure = mqtt.insecure;
        http.one_try = options.one_try();
        if (!mqtt.proxy_url.empty())
            http.proxy = "http://" + proxy_of_option(mqtt.proxy_url, line).authority();
        if (line.on_command_line("--alpn"))
            throw Error(ExitCode::usage, "--alpn is for brokers: HTTP names its protocol itself");
        validate_http_options(http, line);
    } else {
        if (options.one_try())
            throw Error(line.on_command_line("--buffer") ? ExitCode::usage : ExitCode::config,
                        "--buffer 0 (MQTT_BUFFER_SIZE) is for --mode http only: a broker needs a spool of at "
                        "least 1");
        validate_mqtt_options(mqtt, line);
        check_topic_name(mqtt.topic, line);
        check_status_topic(options.transport.status_topic, line);
        settle_confirm_key(options, line);
        if (options.transport.confirm_timeout.count() == 0)
            throw Error(line.on_command_line("--confirm-timeout") ? ExitCode::usage : ExitCode::config,
                        "--confirm-timeout must be longer than 0");
    }
    struct stat info {};
    options.input_is_file = ::fstat(STDIN_FILENO, &info) == 0 && S_ISREG(info.st_mode);
    if (options.input_is_file && !line.given("--policy")) options.policy = "block";
}

}  // namespace ble
