#include "transport/mqtt_options.hpp"

#include <mosquitto.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
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
constexpr std::size_t longest_alpn = 255;  // RFC 7301, 3.1

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
        throw wrong(line, option,
                    "unable to read " + option + " " + path + ": " + why_not_opened(path, errno));
}

// Of each server that is spoken to by WebSocket.
void settle_proxies(MqttOptions &options, const CommandLine &line) {
    const bool named = !options.proxy_url.empty();
    for (auto &server : options.servers) {
        if (!server.websocket) continue;
        if (named)
            server.proxy = proxy_of_option(options.proxy_url, line);
        else if (const auto url = proxy_of_environment(options.tls, server.host); !url.empty())
            server.proxy = parse_proxy(url);
    }
    const auto by_websocket = [](const MqttServer &server) { return server.websocket; };
    if (std::any_of(options.servers.begin(), options.servers.end(), by_websocket)) {
        // Paho would read them by itself, with other exceptions.
        for (const char *name : {"http_proxy", "https_proxy"}) ::unsetenv(name);
    } else if (named) {
        throw wrong(
            line, "--proxy",
            "--proxy is for --url ws://, wss://, http:// and https://: other connections pass no HTTP proxy");
    }
}

// What was given is not repeated: it may hold a password.
std::vector<MqttServer> parse_brokers(const std::string &text, const CommandLine &line) {
    const auto bad = [&](const std::string &why) { return wrong(line, "--broker", why); };
    if (text.find("://") != std::string::npos)
        throw bad("the value of --broker is a URL: give it with --url");
    if (text.find('@') != std::string::npos)
        throw bad("the value of --broker has a user name in it: give the user name with --username");
    try {
        return parse_mqtt_servers(text);
    } catch (const std::string &why) {
        throw bad("unable to use --broker: " + why +
                  "; write NAME[:PORT], or several of them with commas between");
    }
}

void settle_servers(MqttOptions &options, const CommandLine &line) {
    if (!options.configured())
        throw Error(ExitCode::config,
                    "no broker is configured: set --broker, --url mqtt://HOST or MQTT_BROKER");
    bool tls_port_named = false;
    if (options.servers.empty()) {  // a URL says by itself whether it is encrypted
        options.servers = parse_brokers(options.brokers, line);
        for (const auto &server : options.servers)
            tls_port_named = tls_port_named || (server.port == 0 ? options.port : server.port) == tls_port;
    }
    options.tls = options.tls || options.insecure || !options.cafile.empty() || !options.capath.empty() ||
                  !options.cert.empty() || !options.alpn.empty() || tls_port_named;
    for (auto &server : options.servers)
        if (server.port == 0)
            server.port = line.given("--port") ? options.port : options.tls ? tls_port : options.port;
    settle_proxies(options, line);
}

// What the URLs say of all servers; empty: none has said it yet.
struct Common {
    std::optional<bool> tls;
    std::string topic, user;
};

// Takes over what one URL says. Throws std::string, what is wrong.
void apply_mqtt_url(MqttOptions &options, Common &common, MqttUrl url, const CommandLine &line) {
    const auto once = [&](const char *option) {
        if (line.on_command_line(option)) throw std::string(option) + " contradicts it: give one of the two";
    };
    const auto agree = [&](std::string &present, const std::string &said, const char *option) {
        if (said.empty()) return;
        once(option);
        if (!present.empty() && present != said)
            throw "the URLs have two different values for " + std::string(option) +
                ", which must be the same in all";
        present = said;
    };
    once("--broker");
    if (url.server.port != 0)
        once("--port");
    else
        url.server.port = line.on_command_line("--port") ? options.port : url.usual_port;
    if (!url.tls && line.on_command_line("--tls") && options.tls)
        throw std::string(url.server.websocket ? "ws:// contradicts --tls, write wss://"
                                               : "mqtt:// contradicts --tls, write mqtts://");
    if (common.tls.value_or(url.tls) != url.tls)
        throw std::string("one URL asks for TLS and another does not: either all of them or none");
    common.tls = url.tls;
    options.tls = options.tls || url.tls;
    agree(common.topic, url.topic, "--topic");
    agree(common.user, url.user, "--username");
    options.servers.push_back(std::move(url.server));
}

}  // namespace

void declare_mqtt_options(MqttOptions &options, CommandLine &line, const std::string &topic_help) {
    line.group("Broker");
    line.text(
        "--host,--broker NAME", options.brokers,
        "the broker's host name or address. With several, NAME[:PORT],NAME[:PORT]…, one that answers is used",
        "MQTT_BROKER");
    line.number("-p,--port", options.port, 1, 65'535, "the broker's port; with TLS the default is 8883",
                "MQTT_PORT");
    line.text("-t,--topic TOPIC", options.topic, topic_help, "MQTT_TOPIC");
    line.text("-u,--username NAME", options.username, "user name at the broker", "MQTT_USERNAME");
    line.text("--password-file FILE", options.password_file,
              "file that holds the password (or MQTT_PASSWORD, or MQTT_PASSWORD_FILE names the file)", "-");
    line.text("-i,--client-id ID", options.client_id, "client identifier; without it a random one");
    line.duration("--keepalive", options.keepalive,
                  "longest silence on the connection; after that the broker ends it");
    line.choice("--mqtt-version", options.version, {"auto", "5", "3.1.1"},
                "protocol version; auto: 5, or 3.1.1 when the broker refuses 5");
    line.group("TLS");
    line.flag("--tls", options.tls,
              "encrypt the connection; port 8883, mqtts:// and each option below do the same");
    line.text("--cafile FILE", options.cafile, "trust the authorities in this PEM file, not the system's");
    line.text("--capath FOLDER", options.capath,
              "trust the authorities in this folder, prepared by c_rehash");
    line.text("--cert FILE", options.cert, "our certificate, PEM");
    line.text("--key FILE", options.key, "the key of our certificate, PEM");
    line.text("--alpn NAME", options.alpn,
              "name of the protocol in the TLS handshake, for a broker that shares port 443 with HTTPS");
    line.flag("--insecure", options.insecure,
              "do not check the broker's or server's certificate: for tests only");
}

void apply_mqtt_urls(MqttOptions &options, const std::vector<std::string> &urls, const CommandLine &line) {
    Common common;
    try {
        for (const auto &url : urls) apply_mqtt_url(options, common, parse_mqtt_url(url), line);
    } catch (const std::string &why) {
        throw wrong(line, "--url",
                    "unable to use --url: " + why +
                        "; write mqtt[s]://[USER@]HOST[:PORT][/TOPIC] or ws[s]://[USER@]HOST[:PORT][/PATH]");
    }
    if (!common.topic.empty()) options.topic = common.topic;
    if (!common.user.empty()) options.username = common.user;
}

void validate_mqtt_options(MqttOptions &options, const CommandLine &line) {
    settle_servers(options, line);
    check_mqtt_text("--client-id", "the client id", options.client_id, line);
    check_mqtt_text("--username", "the user name", options.username, line);
    if (options.alpn.size() > longest_alpn)
        throw wrong(line, "--alpn", "--alpn: the name of a protocol has at most 255 bytes");
    if (!options.key.empty() && options.cert.empty()) throw wrong(line, "--key", "--key needs --cert");
    if (options.insecure && !(options.cafile.empty() && options.capath.empty()))
        throw wrong(
            line, "--insecure",
            "--insecure checks no certificate: leave out --cafile and --capath, or leave out --insecure");
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
    if (!options.password || options.tls) return;
    for (const auto &server : options.servers)
        if (!is_own_machine(server.host)) warn_of_plain_password(server);
}

void warn_of_plain_password(const MqttServer &server) {
    log_warning(
        "the password goes over the network to " + server.address() +
        " unencrypted, where others can read it: give the broker a certificate, and use --tls or mqtts://");
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
    std::string rest = topic;
    for (const auto name : {TopicPattern::device, TopicPattern::shard})
        if (const auto place = rest.find(name); place != std::string::npos) rest.erase(place, name.size());
    if (rest.find('{') != std::string::npos)
        throw wrong(line, "--topic",
                    "the topic '" + topic +
                        "' has '{' in it: only {device_id} and {shard} are possible there, once each");
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

void check_group(const std::string &group, const std::string &topic, const CommandLine &line) {
    const auto bad = [&](const std::string &why) {
        return wrong(line, "--share", "the name of the group (--share) " + why);
    };
    if (group.empty()) throw bad("is empty");
    if (group.find_first_of("/+#{") != std::string::npos)
        throw bad("has '/', '+', '#' or '{' in it, which cannot stand there");
    if (group.size() + topic.size() > longest_topic)
        throw bad("and the topic are longer than 65000 bytes together");
    check_mqtt_text("--share", "the name of the group (--share)", group, line);
}

}  // namespace ble
