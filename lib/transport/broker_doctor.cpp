#include "transport/broker_doctor.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "transport/address_race.hpp"
#include "transport/mqtt_connection.hpp"
#include "transport/mqtt_reason.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr seconds patience(15);
constexpr std::string_view of_tls = "TLS: ";  // so begins what a link has to say of it
constexpr std::uint64_t message = 1;

// Does a CONNACK with this reason speak of our account?
bool is_refusal(int reason) {
    return reason == mqtt::bad_user_or_password || reason == mqtt::not_authorised || reason == mqtt::banned ||
           reason == mqtt::bad_authentication;
}

// What came of a visit, in the words of the link.
struct Answers {
    std::optional<std::string> connected, trouble;  // CONNACK; why none came
    bool refused = false;                           // by a CONNACK
    std::optional<int> published;                   // PUBACK's reason
    std::optional<bool> subscribed;
    std::string subscription_text;
    bool heard = false;  // something on what is subscribed to
    bool five = false;
};

class Visit {
  public:
    Visit(const MqttOptions &options, const BrokerVisit &what)
        : options_(options), what_(what), connection_(options_, session()) {}

    Answers make() {
        connection_.start();
        end_ = Clock::now() + patience;
        while (!done() && Clock::now() < end_) {
            const auto due = connection_.timeout();
            connection_.wait(due.count() < 0 ? end_ : std::min(end_, Clock::now() + due));
            for (const auto &event : connection_.step()) take(event);
        }
        return std::move(answers_);
    }

  private:
    MqttSession session() const {
        MqttSession session;
        session.id_prefix = "blepipe-doctor-";
        session.subscribe = what_.subscribe;
        return session;
    }

    bool done() const {
        if (!answers_.connected) return attempts_ >= (options_.version == "auto" ? 2 : 1) || answers_.refused;
        const bool listens =
            answers_.subscribed.value_or(false) && what_.listen.count() > 0 && !answers_.heard;
        return lost_ || (!listens && (what_.publish.empty() || answers_.published) &&
                         (what_.subscribe.empty() || answers_.subscribed));
    }

    void take(const MqttEvent &event) {
        switch (event.kind) {
            case MqttEvent::Kind::connected:
                answers_.connected = event.text;
                answers_.five = event.text.starts_with("MQTT 5");
                if (!what_.publish.empty()) connection_.publish(message, what_.publish, "", false);
                break;
            case MqttEvent::Kind::failed:
                ++attempts_;
                answers_.trouble = event.text;
                answers_.refused = is_refusal(event.reason);
                break;
            case MqttEvent::Kind::lost:
                lost_ = true;
                answers_.trouble = event.text;
                break;
            case MqttEvent::Kind::acknowledged:
                answers_.published = event.reason;
                break;
            case MqttEvent::Kind::subscribed:
            case MqttEvent::Kind::denied:
                answers_.subscribed = event.kind == MqttEvent::Kind::subscribed;
                answers_.subscription_text = event.text;
                end_ = std::max(end_, Clock::now() + what_.listen);
                break;
            case MqttEvent::Kind::message:
                answers_.heard = true;
                break;
        }
    }

    const MqttOptions &options_;
    const BrokerVisit &what_;
    MqttConnection connection_;
    Answers answers_;
    Clock::time_point end_{};
    int attempts_ = 0;
    bool lost_ = false;
};

// From the connection to the account.
void judge_way(Findings &all, const MqttOptions &options, const MqttServer &server, const Answers &answers) {
    const auto address = server.address();
    const bool tls = options.tls;
    if (answers.connected || answers.refused) {
        all.push_back(Finding::ok("broker", address + " answers"));
        if (tls && options.insecure)
            all.push_back(Finding::warning("tls", "--insecure: anyone could pretend to be the broker",
                                           "leave out --insecure, and name its authority: --cafile FILE"));
        else if (tls)
            all.push_back(Finding::ok("tls", "its certificate is one that we trust"));
        const std::string who = options.username.empty() ? "without an account" : "as " + options.username;
        all.push_back(answers.connected
                          ? Finding::ok("login", "taken " + who + ", " + *answers.connected)
                          : Finding::failed("login", "not taken " + who + ": " + *answers.trouble,
                                            "mend --username and the password's file, or at the broker: "
                                            "mosquitto_passwd FILE NAME"));
        return;
    }
    const auto why = answers.trouble.value_or("it says nothing");
    const auto host = server.host, port = std::to_string(server.port);
    if (!why.starts_with(of_tls)) {
        all.push_back(Finding::failed(
            "broker", address + ": " + why,
            "nc -zv " + host + " " + port + "; at the broker: systemctl status mosquitto; ss -ltn"));
        if (tls) all.push_back(Finding::unknown("tls"));
    } else {
        all.push_back(Finding::ok("broker", address + " answers"));
        all.push_back(Finding::failed("tls", why.substr(of_tls.size()),
                                      "openssl s_client -connect " + address + " </dev/null"));
    }
    all.push_back(Finding::unknown("login"));
}

Finding judge_publish(const std::string &topic, const Answers &answers) {
    constexpr const char *name = "publish";
    if (!answers.connected) return Finding::unknown(name);
    if (!answers.published)
        return Finding::failed(name, topic + ": " + answers.trouble.value_or("no answer"),
                               "look into the log of the broker: journalctl -u mosquitto");
    const int reason = *answers.published;
    if (reason == mqtt::no_subscribers)
        return Finding::warning(name, topic + ": nobody is subscribed there",
                                "at the backend: blesub --doctor; systemctl status blesub");
    if (reason >= mqtt::first_failure)
        return Finding::failed(name, topic + ": " + mqtt_reason_text(reason),
                               "give this account the right at the broker: acl_file, \"topic write\"; see "
                               "examples/mosquitto.acl");
    if (!answers.five)
        return Finding::warning(
            name, topic + ": acknowledged; with MQTT 3.1.1 it would be so if it was denied, too",
            "look into the log of the broker; blesend --confirm stored");
    return Finding::ok(name, topic + ": the broker takes it, and somebody is subscribed");
}

// A grant is no proof: mosquitto grants every subscription, and just does not deliver what its acl_file forbids.
Finding judge_subscribe(const BrokerVisit &visit, const Answers &answers) {
    constexpr const char *name = "subscribe";
    std::string text;
    for (const auto &filter : visit.subscribe) text += (text.empty() ? "" : ", ") + filter;
    const std::string advice =
        "give this account the right at the broker: acl_file, \"topic read\"; see examples/mosquitto.acl";
    if (!answers.connected) return Finding::unknown(name);
    if (!answers.subscribed.value_or(false))
        return Finding::failed(
            name,
            text + ": " +
                (answers.subscribed ? answers.subscription_text : answers.trouble.value_or("no answer")),
            advice);
    text += ": granted";
    if (answers.heard) return Finding::ok(name, text + ", and something came");
    if (visit.listen.count() == 0)
        return Finding::unknown(
            name,
            text + "; whether this account may read there, not every broker tells (mosquitto does not)");
    return Finding::warning(
        name,
        text + ", but nothing came in " + std::to_string(visit.listen.count()) +
            " s: either nobody sends, or this account may not read there, which mosquitto does not tell",
        "does a Pi send? there: blesend --doctor. If it does, " + advice);
}

}  // namespace

Finding examine_name(const std::string &host) {
    std::vector<std::string> found;
    int error = 0;
    for (const int family : {AF_INET, AF_INET6}) {
        auto some = look_up(host, family);
        if (some.addresses.empty() && (error == 0 || error == EAI_NONAME)) error = some.error;
        found.insert(found.end(), some.addresses.begin(), some.addresses.end());
    }
    if (found.empty())
        return Finding::failed("name", host + ": " + ::gai_strerror(error),
                               "getent hosts " + host + "; cat /etc/resolv.conf");
    std::string text = host + " is ";
    for (const auto &address : found) text += (&address == &found.front() ? "" : ", ") + address;
    return Finding::ok("name", found.size() == 1 && found.front() == host ? host : text);
}

namespace {

Findings examine_broker(const MqttOptions &options, const MqttServer &server, const BrokerVisit &visit) {
    Findings all{examine_name(server.next_hop().first)};
    Answers answers;
    if (all.back().verdict == Finding::Verdict::ok) {
        MqttOptions one = options;
        one.servers = {server};
        answers = Visit(one, visit).make();
        judge_way(all, one, server, answers);
    } else {
        all.push_back(Finding::unknown("broker"));
        if (options.tls) all.push_back(Finding::unknown("tls"));
        all.push_back(Finding::unknown("login"));
    }
    if (!visit.publish.empty()) all.push_back(judge_publish(visit.publish, answers));
    if (!visit.subscribe.empty()) all.push_back(judge_subscribe(visit, answers));
    return all;
}

}  // namespace

Findings examine_brokers(const MqttOptions &options, const BrokerVisit &visit) {
    std::vector<Findings> all;
    all.reserve(options.servers.size());
    for (const auto &server : options.servers) all.push_back(examine_broker(options, server, visit));
    // One that refuses the account, or a topic, may be the one that is chosen.
    return where_one_is_enough(std::move(all), {"name", "broker", "tls"});
}

}  // namespace ble
