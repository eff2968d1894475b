#include <cstdlib>
#include <string>
#include <vector>

#include "base/command_line.hpp"
#include "catch.hpp"
#include "transport/mqtt_options.hpp"
#include "transport/mqtt_reason.hpp"

using namespace ble;

namespace {

// As blesub does: --url is its own option.
MqttOptions read_options(std::vector<const char *> words) {
    MqttOptions options;
    std::string url;
    CommandLine line("blesub", "test");
    line.text("--url URL", url, "");
    declare_mqtt_options(options, line, "the topic");
    words.insert(words.begin(), "blesub");
    REQUIRE(line.parse(static_cast<int>(words.size()), words.data()));
    if (!url.empty()) apply_mqtt_url(options, url, line);
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
    CHECK(read_options({"--host", "h"}).port == 1883);
    CHECK(read_options({"--host", "h", "--tls"}).port == 8883);
    CHECK(read_options({"--host", "h", "--tls", "-p", "1883"}).port == 1883);
    CHECK(read_options({"--host", "h", "--insecure"}).port == 8883);
    CHECK(read_options({"--host", "h", "--cafile", "/dev/null"}).tls);
    CHECK_FALSE(read_options({"--host", "h"}).tls);
    CHECK(read_options({"--host", "h", "-p", "8883"}).tls);
}

TEST_CASE("a URL says where the broker is") {
    const auto plain = read_options({"--url", "mqtt://broker"});
    CHECK(plain.host == "broker");
    CHECK(plain.port == 1883);
    CHECK_FALSE(plain.tls);
    CHECK(plain.topic == "tfg/detections/raw");

    const auto full = read_options({"--url", "mqtts://pi@broker.example:9000/a/+/b"});
    CHECK(full.username == "pi");
    CHECK(full.host == "broker.example");
    CHECK(full.port == 9000);
    CHECK(full.tls);
    CHECK(full.topic == "a/+/b");

    CHECK(read_options({"--url", "mqtts://broker"}).port == 8883);
    CHECK(read_options({"--url", "mqtts://broker", "-p", "99"}).port == 99);
    CHECK(read_options({"--url", "mqtt://broker/", "-t", "mine"}).topic == "mine");
    CHECK(read_options({"--url", "mqtt://broker", "--cafile", "/dev/null"}).port == 1883);
    const auto six = read_options({"--url", "mqtts://[::1]:99/t"});
    CHECK(six.host == "::1");
    CHECK(six.port == 99);
    CHECK(six.address() == "[::1]:99");
}

TEST_CASE("a URL that is none, or that contradicts other options, is refused") {
    for (const auto *url : {"http://broker", "mqtt://", "mqtt://:1883", "mqtt://broker:", "mqtt://broker:x",
                            "mqtt://broker:0", "mqtt://broker:65536", "mqtt://[::1", "mqtt://broker:1x"})
        CHECK(contains(refusal({"--url", url}), "unable to use --url"));
    CHECK(contains(refusal({"--url", "mqtt://a", "--host", "b"}), "--host"));
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
    CHECK(read_options({"--host", "[::1]"}).address() == "[::1]:1883");
    CHECK(contains(refusal({"--host", "broker:1883"}), "--port"));
    CHECK(contains(refusal({"--host", "mqtt://broker"}), "--url"));
    CHECK_FALSE(refusal({"--host", "a b"}).empty());
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
