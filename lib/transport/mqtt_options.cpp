#include "transport/mqtt_options.hpp"

#include <mosquitto.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>

#include "base/command_line.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/host.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"
#include "batch/json_text.hpp"
#include "batch/topic.hpp"

namespace ble {

namespace {

constexpr std::int64_t tls_port = 8883;
// MQTT 5, 1.5.4: a string has 65535 bytes at most; a device_id and the levels of confirmations need room.
constexpr std::size_t longest_topic = 65'000;

// A wrong value is a usage error when it was typed and a configuration error when the environment holds it.
Error wrong(const CommandLine &line, const std::string &option, const std::string &text) {
    return Error(line.on_command_line(option) ? ExitCode::usage : ExitCode::config, text);
}

// MQTT 5, 1.5.4: libraries and brokers refuse some of what is UTF-8, with each message or connection anew.
void check_mqtt_text(const std::string &option, const std::string &what, const std::string &text,
                     const CommandLine &line) {
    if (!is_utf8(text)) throw wrong(line, option, what + " is not UTF-8");
    if (!text.empty() &&
        mosquitto_validate_utf8(text.data(), static_cast<int>(text.size())) != MOSQ_ERR_SUCCESS)
        throw wrong(line, option, what + " has a character in it that MQTT does not allow");
}

void check_topic_text(const std::string &topic, const CommandLine &line) {
    if (topic.empty()) throw wrong(line, "--topic", "the topic is empty: set --topic");
    if (topic.size() > longest_topic) throw wrong(line, "--topic", "the topic is longer than 65000 bytes");
    check_mqtt_text("--topic", "the topic", topic, line);
}

void check_readable(const CommandLine &line, const std::string &option, const std::string &path) {
    refuse_pipe(path, line.on_command_line(option) ? ExitCode::usage : ExitCode::config);
    if (!path.empty() && !std::ifstream(path))
        throw wrong(line, option, "unable to read " + path + ", given with " + option);
}

struct UrlScheme {
    std::string_view begin;
    bool websocket, tls;
    std::int64_t port;
};
constexpr UrlScheme schemes[] = {{"mqtt://", false, false, 1883},
                                 {"mqtts://", false, true, tls_port},
                                 {"ws://", true, false, 80},
                                 {"wss://", true, true, 443}};

const UrlScheme *find_scheme(std::string_view url) {
    const auto *found = std::find_if(std::begin(schemes), std::end(schemes),
                                     [&](const UrlScheme &scheme) { return url.starts_with(scheme.begin); });
    return found == std::end(schemes) ? nullptr : found;
}

void settle_proxy(MqttOptions &options, const CommandLine &line) {
    const bool named = !options.proxy_url.empty();
    if (named && !options.websocket)
        throw wrong(
            line, "--proxy",
            "--proxy is for --url ws://, wss://, http:// and https://: other connections pass no HTTP proxy");
    if (!options.websocket) return;
    if (named) {
        options.proxy = proxy_of_option(options.proxy_url, line);
    } else if (const auto url = proxy_of_environment(options.tls, options.host); !url.empty()) {
        options.proxy = parse_proxy(url);
    }
    // Paho would read them by itself, with other exceptions.
    for (const char *name : {"http_proxy", "https_proxy"}) ::unsetenv(name);
}

void check_host(const MqttOptions &options, const CommandLine &line) {
    if (options.host.find("://") != std::string::npos)  // not repeated, as below: it may hold a password
        throw wrong(line, "--host", "what was given with --host is a URL: give it with --url");
    if (options.host.find('@') != std::string::npos)
        throw wrong(line, "--host",
                    "what was given with --host has a user name in it: give that with --username");
    if (options.host.find_first_of(" \t/") != std::string::npos)
        throw wrong(line, "--host", "'" + options.host + "' is not a host name");
    const auto colon = options.host.find(':');
    if (colon != std::string::npos && options.host.find(':', colon + 1) == std::string::npos)
        throw wrong(line, "--host", "'" + options.host + "' has a port in it: give it with --port");
}

}  // namespace

std::string MqttOptions::address() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::pair<std::string, std::int64_t> MqttOptions::next_hop() const {
    if (proxy) return {proxy->host, proxy->port};
    return {host, port};
}

void declare_mqtt_options(MqttOptions &options, CommandLine &line, const std::string &topic_help) {
    line.group("Broker");
    line.text("--broker,--host NAME", options.host, "the broker's host name or address", "MQTT_BROKER");
    line.number("-p,--port", options.port, 1, 65'535, "its port; with TLS 8883 unless set", "MQTT_PORT");
    line.text("-t,--topic TOPIC", options.topic, topic_help, "MQTT_TOPIC");
    line.text("-u,--username NAME", options.username, "user name at the broker", "MQTT_USERNAME");
    line.text("--password-file FILE", options.password_file,
              "file that holds the password (or MQTT_PASSWORD, or MQTT_PASSWORD_FILE names the file)", "-");
    line.text("-i,--client-id ID", options.client_id, "client identifier; without it a random one");
    line.duration("--keepalive", options.keepalive, "longest silence before the broker takes us for dead");
    line.choice("--mqtt-version", options.version, {"auto", "5", "3.1.1"},
                "protocol version; auto: 5, or 3.1.1 when the broker refuses 5");
    line.group("TLS");
    line.flag("--tls", options.tls, "encrypt; port 8883, mqtts:// and any option below do the same");
    line.text("--cafile FILE", options.cafile, "trust the authorities in this PEM file, not the system's");
    line.text("--capath FOLDER", options.capath,
              "trust the authorities in this folder, prepared by c_rehash");
    line.text("--cert FILE", options.cert, "our certificate, PEM");
    line.text("--key FILE", options.key, "the key of our certificate, PEM");
    line.text("--alpn NAME", options.alpn,
              "name the protocol in the handshake, for brokers on port 443 beside HTTPS");
    line.flag("--insecure", options.insecure, "accept any certificate from anyone: for experiments only");
}

void apply_mqtt_url(MqttOptions &options, const std::string &url, const CommandLine &line) {
    const auto bad = [&](const std::string &why) {
        return wrong(
            line, "--url",
            "unable to use --url: " + why +
                "; it reads mqtt[s]://[USER@]HOST[:PORT][/TOPIC] or ws[s]://[USER@]HOST[:PORT][/PATH]");
    };
    const UrlScheme *scheme = find_scheme(url);
    if (scheme == nullptr) throw bad("it begins with none of mqtt://, mqtts://, ws:// and wss://");
    const bool tls = scheme->tls;
    options.websocket = scheme->websocket;
    std::string_view rest = url;
    rest.remove_prefix(scheme->begin.size());
    const auto once = [&](const char *option) {
        if (line.on_command_line(option)) throw bad(std::string(option) + " says it too");
    };
    once("--host");
    if (tls)
        options.tls = true;
    else if (options.tls && line.on_command_line("--tls"))
        throw bad(std::string(scheme->begin) + " contradicts --tls, write " +
                  (scheme->websocket ? "wss://" : "mqtts://"));

    std::string_view authority = rest.substr(0, rest.find('/'));
    if (options.websocket && authority.size() < rest.size()) {
        options.websocket_path = rest.substr(authority.size());
    } else if (authority.size() + 1 < rest.size()) {
        once("--topic");
        options.topic = rest.substr(authority.size() + 1);
    }
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
        once("--username");
        const auto user = authority.substr(0, at);
        if (user.find(':') != std::string_view::npos)  // not repeated in the message: it holds the password
            throw bad("a password does not belong there, give it with --password-file or MQTT_PASSWORD");
        options.username = user;
        authority.remove_prefix(at + 1);
    }
    std::string_view port;
    if (authority.starts_with('[')) {
        const auto end = authority.find(']');
        if (end == std::string_view::npos) throw bad("']' is missing");
        options.host = authority.substr(1, end - 1);
        port = authority.substr(end + 1);
    } else {
        options.host = authority.substr(0, authority.find(':'));
        port = authority.substr(options.host.size());
    }
    if (options.host.empty()) throw bad("it names no host");
    options.from_url = true;
    if (!port.empty() || !line.on_command_line("--port")) options.port = scheme->port;
    if (port.empty()) return;
    once("--port");
    port.remove_prefix(1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
    if (error != std::errc() || end != port.data() + port.size() || options.port < 1 || options.port > 65'535)
        throw bad("its port is not a number from 1 to 65535");
}

void validate_mqtt_options(MqttOptions &options, const CommandLine &line) {
    if (options.host.starts_with('[') && options.host.ends_with(']'))  // an IPv6 address as in URLs
        options.host = options.host.substr(1, options.host.size() - 2);
    check_host(options, line);
    check_mqtt_text("--client-id", "the client id", options.client_id, line);
    check_mqtt_text("--username", "the user name", options.username, line);
    if (!options.key.empty() && options.cert.empty()) throw wrong(line, "--key", "--key needs --cert");
    const bool tls_named = options.tls || options.insecure || !options.cafile.empty() ||
                           !options.capath.empty() || !options.cert.empty();
    options.tls = tls_named || !options.alpn.empty() || options.port == tls_port;
    settle_proxy(options, line);
    if (options.tls && options.port == 1883 && !line.given("--port") && !options.from_url)
        options.port = tls_port;
    if (options.insecure && !(options.cafile.empty() && options.capath.empty()))
        throw wrong(line, "--insecure",
                    "--insecure looks at no certificate: leave out --cafile and --capath, or it");
    check_readable(line, "--cafile", options.cafile);
    check_readable(line, "--capath", options.capath);
    check_readable(line, "--cert", options.cert);
    check_readable(line, "--key", options.key);
    if (!options.key.empty()) guard_key_file(options.key);
    if (options.keepalive < least_keepalive || options.keepalive > std::chrono::seconds(65'535))
        throw wrong(line, "--keepalive", "--keepalive must be from 5 to 65535 seconds");
    options.password = find_password(options);
    if (options.password && options.username.empty())
        throw wrong(line, "--password-file",
                    "there is a password and no user name: set --username or MQTT_USERNAME");
}

std::optional<std::string> find_password(const MqttOptions &options) {
    return find_secret(options.password_file, "MQTT_PASSWORD");
}

void warn_of_plain_password(const MqttOptions &options) {
    if (options.password && !options.tls && !is_own_machine(options.host))
        log_warning("the password crosses the network to " + options.address() +
                    " for everybody to read: let the broker have a certificate, and use --tls or mqtts://");
}

std::optional<std::string> find_confirm_key(const std::string &file) {
    auto key = find_secret(file, "CONFIRM_KEY");
    if (!key) return {};
    if (key->size() < short_key)
        throw Error(ExitCode::config,
                    "the key of confirmations (--confirm-key, CONFIRM_KEY) is shorter than " +
                        std::to_string(short_key) +
                        " characters, and could be guessed: make one by openssl rand -hex 32 >FILE");
    return key;
}

void check_topic_name(const std::string &topic, const CommandLine &line) {
    check_topic_text(topic, line);
    if (topic.find_first_of("+#") != std::string::npos)
        throw wrong(line, "--topic",
                    "the topic '" + topic + "' has a wildcard in it: nothing can be published there");
    const auto place = topic.find('{');
    const bool known = place == std::string::npos ||
                       topic.compare(place, TopicPattern::device.size(), TopicPattern::device) == 0;
    if (!known || (place != std::string::npos && topic.find('{', place + 1) != std::string::npos))
        throw wrong(
            line, "--topic",
            "the topic '" + topic + "' has '{' in it: {device_id}, once, is all that can stand there");
}

void check_topic_filter(const std::string &topic, const CommandLine &line) {
    check_topic_text(topic, line);
    if (topic.find(TopicPattern::device) != std::string::npos)
        throw wrong(line, "--topic",
                    "the topic '" + topic +
                        "' has {device_id} in it, which blesend knows: subscribe to + in its place");
    for (std::size_t i = 0; i < topic.size(); ++i) {
        if (topic[i] != '+' && topic[i] != '#') continue;
        const bool alone = (i == 0 || topic[i - 1] == '/') && (i + 1 == topic.size() || topic[i + 1] == '/');
        if (!alone || (topic[i] == '#' && i + 1 != topic.size()))
            throw wrong(line, "--topic",
                        "the topic '" + topic + "' has '" + topic[i] +
                            "' in a place where it cannot be: + is a whole level, # the last one");
    }
}

}  // namespace ble
