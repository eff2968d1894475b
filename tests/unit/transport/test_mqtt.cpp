#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "base/command_line.hpp"
#include "catch.hpp"
#include "transport/broker_choice.hpp"
#include "transport/mqtt_options.hpp"
#include "transport/mqtt_reason.hpp"

using namespace ble;

namespace {

// As blesub does: --url is its own option.
MqttOptions read_options(std::vector<const char *> words) {
    MqttOptions options;
    std::vector<std::string> urls;
    CommandLine line("blesub", "test");
    line.texts("--url URL", urls, "");
    declare_mqtt_options(options, line, "the topic");
    words.insert(words.begin(), "blesub");
    REQUIRE(line.parse(static_cast<int>(words.size()), words.data()));
    apply_mqtt_urls(options, urls, line);
    validate_mqtt_options(options, line);
    return options;
}

std::string refusal(const std::vector<const char *> &words) {
    try {
        read_options(words);
    } catch (const Error &error) {
        CHECK(error.code() == ExitCode::usage);
        return error.what();
    }
    return "";
}

bool contains(const std::string &text, const std::string &part) {
    return text.find(part) != std::string::npos;
}

bool filter_is_good(const std::string &topic) {
    CommandLine line("blesub", "test");
    MqttOptions options;
    declare_mqtt_options(options, line, "the topic");
    try {
        check_topic_filter(topic, line);
    } catch (const Error &) {
        return false;
    }
    return true;
}

bool name_is_good(const std::string &topic) {
    CommandLine line("blesend", "test");
    MqttOptions options;
    declare_mqtt_options(options, line, "the topic");
    try {
        check_topic_name(topic, line);
    } catch (const Error &) {
        return false;
    }
    return true;
}

}  // namespace

TEST_CASE("the port follows from TLS unless it is set") {
    CHECK(read_options({"--host", "h"}).servers.at(0).port == 1883);
    CHECK(read_options({"--host", "h", "--tls"}).servers.at(0).port == 8883);
    CHECK(read_options({"--host", "h", "--tls", "-p", "1883"}).servers.at(0).port == 1883);
    CHECK(read_options({"--host", "h", "--insecure"}).servers.at(0).port == 8883);
    CHECK(read_options({"--host", "h", "--cafile", "/dev/null"}).tls);
    CHECK_FALSE(read_options({"--host", "h"}).tls);
    CHECK(read_options({"--host", "h", "-p", "8883"}).tls);
}

TEST_CASE("a URL says where the broker is") {
    const auto plain = read_options({"--url", "mqtt://broker"});
    CHECK(plain.servers.at(0).host == "broker");
    CHECK(plain.servers.at(0).port == 1883);
    CHECK_FALSE(plain.tls);
    CHECK(plain.topic == "tfg/detections/raw");

    const auto full = read_options({"--url", "mqtts://pi@broker.example:9000/a/+/b"});
    CHECK(full.username == "pi");
    CHECK(full.servers.at(0).host == "broker.example");
    CHECK(full.servers.at(0).port == 9000);
    CHECK(full.tls);
    CHECK(full.topic == "a/+/b");

    CHECK(read_options({"--url", "mqtts://broker"}).servers.at(0).port == 8883);
    CHECK(read_options({"--url", "mqtts://broker", "-p", "99"}).servers.at(0).port == 99);
    CHECK(read_options({"--url", "mqtt://broker/", "-t", "mine"}).topic == "mine");
    CHECK(read_options({"--url", "mqtt://broker", "--cafile", "/dev/null"}).servers.at(0).port == 1883);
    const auto six = read_options({"--url", "mqtts://[::1]:99/t"});
    CHECK(six.servers.at(0).host == "::1");
    CHECK(six.servers.at(0).port == 99);
    CHECK(six.servers.at(0).address() == "[::1]:99");
}

TEST_CASE("a URL that is none, or that contradicts other options, is refused") {
    for (const auto *url : {"http://broker", "mqtt://", "mqtt://:1883", "mqtt://broker:", "mqtt://broker:x",
                            "mqtt://broker:0", "mqtt://broker:65536", "mqtt://[::1", "mqtt://broker:1x"})
        CHECK(contains(refusal({"--url", url}), "unable to use --url"));
    CHECK(contains(refusal({"--url", "mqtt://a", "--host", "b"}), "--broker"));
    CHECK(contains(refusal({"--url", "mqtt://a:1", "--port", "2"}), "--port"));
    CHECK(contains(refusal({"--url", "mqtt://a/t", "--topic", "u"}), "--topic"));
    CHECK(contains(refusal({"--url", "mqtt://u@a", "--username", "v"}), "--username"));
    CHECK(contains(refusal({"--url", "mqtt://a", "--tls"}), "mqtts://"));
}

TEST_CASE("a password in a URL is refused and not repeated") {
    const auto text = refusal({"--url", "mqtt://me:hidden@broker"});
    CHECK(contains(text, "--password-file"));
    CHECK_FALSE(contains(text, "hidden"));
}

TEST_CASE("a host is a name or an address") {
    CHECK(refusal({"--host", "broker.example"}).empty());
    CHECK(refusal({"--host", "::1"}).empty());
    CHECK(read_options({"--host", "[::1]"}).servers.at(0).address() == "[::1]:1883");
    CHECK(read_options({"--host", "broker:1884"}).servers.at(0).address() == "broker:1884");
    CHECK(read_options({"--host", "fe80::1%eth0"}).servers.at(0).address() == "[fe80::1%eth0]:1883");
    for (const auto *host :
         {"broker:", "broker:0", "broker:x", "[::1", "[broker]", "[::1]x", "a,,b", ",", "a/b"})
        CHECK(contains(refusal({"--host", host}), "unable to use --broker"));
    CHECK(contains(refusal({"--host", "me@broker"}), "--username"));
    for (const auto *url :
         {"ws://h/x HTTP/1.1\r\nX-Evil: 1\r\nY: /", "ws://h/a b", "ws://h/#x", "ws://h/\x7f",
          "ws://h/\xc3\xbc", "ws://h?x=1", "ws://h\xe2\x80\xae", "ws://[fe80::1%]"})
        CHECK(contains(refusal({"--url", url}), "unable to use --url"));
    CHECK(read_options({"--url", "ws://h/x?y=%20/z"}).servers.at(0).path == "/x?y=%20/z");
    CHECK(contains(refusal({"--host", "h", "--alpn", std::string(256, 'x').c_str()}), "255"));
    CHECK(contains(refusal({"--host", "mqtt://broker"}), "--url"));
    CHECK_FALSE(refusal({"--host", "a b"}).empty());
}

TEST_CASE("several brokers are named in one option, or by URLs that agree") {
    const auto addresses = [](const std::vector<const char *> &words) {
        std::string all;
        for (const auto &server : read_options(words).servers) all += server.address() + " ";
        return all;
    };
    CHECK(addresses({"--broker", "a,b:1884, [::1]"}) == "a:1883 b:1884 [::1]:1883 ");
    CHECK(addresses({"--broker", "a,b:1884", "--tls"}) == "a:8883 b:1884 ");
    CHECK(addresses({"--broker", "a,b:1884", "--port", "99"}) == "a:99 b:1884 ");
    CHECK(addresses({"--url", "mqtts://a/t", "--url", "wss://b", "--url", "mqtts://b:1/t"}) ==
          "a:8883 b:443 b:1 ");
    CHECK(read_options({"--url", "mqtt://a", "--url", "mqtt://u@b/t"}).topic == "t");
    CHECK(read_options({"--url", "mqtt://u@a", "--url", "mqtt://b/t"}).username == "u");
    CHECK(read_options({"--broker", "a,b:8883"}).tls);
    CHECK_FALSE(read_options({"--broker", "a:1883,b:1884", "-p", "8883"}).tls);
    CHECK_FALSE(read_options({"--url", "mqtt://a", "-p", "8883"}).tls);
    ::setenv("MQTT_PORT", "8883", 1);
    CHECK_FALSE(read_options({"--url", "ws://a"}).tls);
    ::unsetenv("MQTT_PORT");
    ::setenv("BLEPIPE_TLS", "yes", 1);
    CHECK(read_options({"--url", "mqtt://a", "--url", "mqtt://b"}).tls);
    ::unsetenv("BLEPIPE_TLS");
    CHECK(contains(refusal({"--url", "mqtt://a,mqtt://b"}), "a --url of its own"));
    CHECK(contains(refusal({"--url", "mqtt://a", "--url", "mqtts://b"}), "TLS"));
    CHECK(contains(refusal({"--url", "mqtt://a/t", "--url", "mqtt://b/u"}), "--topic"));
    CHECK(contains(refusal({"--url", "mqtt://u@a", "--url", "mqtt://v@b"}), "--username"));
}

TEST_CASE("a broker's reference to another is read as far as it can be") {
    MqttServer from = parse_mqtt_server("broker.example:8884");
    from.websocket = true;
    const auto address = [&](const char *text) {
        const auto server = parse_server_reference(text, from);
        CHECK((!server || server->websocket));
        return server ? server->address() : "";
    };
    CHECK(address("other") == "other:8884");
    CHECK(address("other:99") == "other:99");
    CHECK(address("[2001:db8::1]:99") == "[2001:db8::1]:99");
    CHECK(address(" mqtt://a:1  b:0 c:7 d") == "c:7");
    CHECK(address("") == "");
    CHECK(address("a/b :1 [x]") == "");
}

TEST_CASE("of several servers each has its turn before the first waits") {
    ServerTurn turn(3, 7);
    CHECK(turn.now() == 1);
    CHECK(turn.failed());
    CHECK(turn.failed());
    CHECK_FALSE(turn.failed());
    CHECK(turn.now() == 1);
    turn.worked();
    CHECK(turn.now() == 1);
    CHECK(turn.failed());
    CHECK(turn.now() == 2);
    ServerTurn alone(1);
    CHECK_FALSE(alone.failed());
    std::set<std::size_t> first;
    for (int i = 0; i < 200; ++i) first.insert(ServerTurn(3).now());
    CHECK(first.size() == 3);
}

TEST_CASE("brokers that send each other's clients on are not followed for ever") {
    BrokerChoice choice({parse_mqtt_server("a:1"), parse_mqtt_server("b:1")});
    const std::string first = choice.now().server.host;
    for (unsigned i = 0; i < BrokerChoice::most_referrals; ++i) {
        REQUIRE(choice.follow("c:" + std::to_string(i + 1)));
        CHECK(choice.now().server.address() == "c:" + std::to_string(i + 1));
    }
    CHECK_FALSE(choice.follow("d:1"));
    CHECK(choice.failed());
    CHECK(choice.now().server.address() == "c:3");  // once more, since it may be on its way up
    CHECK(choice.failed());
    CHECK(choice.now().server.host != first);  // whoever did not send us
    CHECK_FALSE(choice.follow("d:1"));
    choice.worked();
    CHECK(choice.follow("d:1"));
    CHECK_FALSE(choice.follow("a/b [x]"));
}

TEST_CASE("whom a broker names is asked again after each pause") {
    BrokerChoice choice({parse_mqtt_server("a:1")});
    for (int i = 0; i < 20; ++i) {
        REQUIRE(choice.follow("down:1"));
        REQUIRE(choice.failed());
        REQUIRE_FALSE(choice.failed());
        REQUIRE(choice.now().server.host == "a");
    }
}

TEST_CASE("names that no broker could take are refused") {
    CHECK(contains(refusal({"--host", "h", "--client-id", "a\xff"}), "UTF-8"));
    CHECK(contains(refusal({"--host", "h", "--username", "\xff"}), "UTF-8"));
    CHECK(refusal({"--host", "h", "--client-id",
                   "k\xc3\xbc"
                   "che"})
              .empty());
}

TEST_CASE("a password without a user name is refused") {
    ::setenv("MQTT_PASSWORD", "word", 1);
    MqttOptions options;
    CommandLine line("blesub", "test");
    declare_mqtt_options(options, line, "the topic");
    const char *words[] = {"blesub", "--host", "h"};
    REQUIRE(line.parse(3, words));
    CHECK_THROWS_AS(validate_mqtt_options(options, line), Error);
    options.username = "me";
    validate_mqtt_options(options, line);
    CHECK(options.password == "word");
    ::unsetenv("MQTT_PASSWORD");
}

TEST_CASE("wildcards are whole levels of a filter, and in no topic that is published to") {
    for (const auto *topic : {"a", "a/b", "+", "#", "a/+/b", "a/#", "+/+", "/", "a/+", "$SYS/#"})
        CHECK(filter_is_good(topic));
    for (const auto *topic : {"", "a+", "a/b+/c", "a#", "#/a", "a/#/b", "a/+b", "a\nb"})
        CHECK_FALSE(filter_is_good(topic));
    CHECK_FALSE(filter_is_good("a\xff"));
    CHECK_FALSE(filter_is_good(std::string("a\0b", 3)));
    CHECK_FALSE(filter_is_good(std::string(65'001, 'a')));
    CHECK(name_is_good(std::string(65'000, 'a')));
    CHECK_FALSE(name_is_good(std::string(65'001, 'a')));
    CHECK(name_is_good("a/b"));
    CHECK_FALSE(name_is_good("a/+"));
    CHECK_FALSE(name_is_good("#"));
}

TEST_CASE("{device_id} stands once in a topic that is published to, and in no filter") {
    CHECK(name_is_good("a/{device_id}"));
    CHECK(name_is_good("a/{device_id}/b"));
    for (const auto *topic :
         {"a/{device}", "a/{", "{device_id}/{device_id}", "{device_id}/{", "{/{device_id}"})
        CHECK_FALSE(name_is_good(topic));
    CHECK_FALSE(filter_is_good("a/{device_id}"));
}

TEST_CASE("reasons are said in words") {
    CHECK(mqtt_reason_text(0x87) == "not authorised");
    CHECK(mqtt_reason_text(0x93) == "reason 0x93");
    CHECK(mqtt_reason_of_return_code(0) == mqtt::success);
    CHECK(mqtt_reason_of_return_code(1) == mqtt::unsupported_version);
    CHECK(mqtt_reason_of_return_code(2) == mqtt::bad_client_id);
    CHECK(mqtt_reason_of_return_code(3) == mqtt::server_unavailable);
    CHECK(mqtt_reason_of_return_code(4) == mqtt::bad_user_or_password);
    CHECK(mqtt_reason_of_return_code(5) == mqtt::not_authorised);
    CHECK(mqtt_reason_of_return_code(77) == mqtt::first_failure);
}
