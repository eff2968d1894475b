#include "blews/options.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/host.hpp"
#include "base/log.hpp"
#include "base/mistyped.hpp"
#include "base/secret.hpp"
#include "server/metrics_site.hpp"

namespace ble {

using namespace std::chrono_literals;

void declare_broadcast_options(BroadcastOptions &o, CommandLine &line) {
    line.group("Where to serve");
    line.text("-b,--bind ADDRESS", o.bind, "address or host name to listen on");
    line.number("-p,--port", o.port, 0, 65535, "port to listen on; 0: any free port, which is logged");
    line.text("--cert FILE", o.tls.cert, "certificate chain (PEM): serve https and wss");
    line.text("--key FILE", o.tls.key, "its private key (PEM)");
    line.text("--client-ca FILE", o.tls.client_ca,
              "authorities (PEM): clients need a certificate issued by one of them");
    line.text("--www FOLDER", o.www, "folder of the pages at /; default: the page that comes with blews");
    line.text(
        "-d,--db PATH", o.db,
        "also answer questions about this database at /api/v1/ (see blequery(1)): SQLite, or postgresql://…");
    line.duration("--question-timeout", o.question_timeout,
                  "give up when the database needs longer for an answer");
    line.text("--prefix PATH", o.prefix, "path that a proxy puts before the paths of blews, as /ble");
    line.texts("--trusted-proxy ADDRESS", o.proxies,
               "address of a proxy; it may say that a browser came by https (X-Forwarded-Proto)");
    declare_metrics_address(o.metrics, line);
    line.group("Who may listen");
    line.text("--token-file FILE", o.token_file, "file with the token that every client must know");
    line.texts("--origin ORIGIN", o.origins,
               "web pages of this origin may listen too, as https://board.example.org; '*': any");
    line.flag("--insecure", o.insecure, "listen on other addresses than loopback without a token");
    line.number("--max-clients", o.max_clients, 1, 1'000'000,
                "most connections at the same time; more get the answer 503");
    line.number("--max-clients-per-address", o.share, 0, 1'000'000,
                "most of them from one address; 0: a quarter, but at least 16");
    line.number("--max-rate", o.rate, 0, 1'000'000, "most requests a second from one address; 0: no limit");
    line.duration("--client-timeout", o.client_timeout,
                  "disconnect a client that needs longer than this to send a request");
    line.group("Delivery");
    line.number("--queue", o.queue, 1, 65536, "most events that may wait for a client");
    line.choice("--slow", o.slow, {"drop", "close"},
                "for a client that is further behind: skip to the newest event, or close the connection");
    line.duration("--ping", o.ping, "look for dead clients at this interval; 0: never");
    line.duration("--stats-update", o.stats_update,
                  "send the counters to clients at this interval; 0: never");
    line.group("When to end");
    line.flag("--stay", o.stay, "go on serving after the end of the input");
    line.duration("--linger", o.linger,
                  "at the end, wait this long for clients to read the events that wait");
    line.number("-n,--count N", o.count, 0, INT64_MAX, "end after N events; 0: no limit");
    declare_doctor(o.doctor, line, "the port, the certificate, the token and the database");
    line.stray([](const std::string &word) {
        if (is_number(word)) return "--port " + word;
        if (word.starts_with("postgres") || (is_file(word) && word.ends_with(".db"))) return "--db " + word;
        if (word.find('/') != std::string::npos && !is_file(word)) return "--www " + word;
        return (is_file(word) && word.ends_with("json") ? "<" : "--bind ") + word;
    });
    line.epilogue(
        "Examples:\n"
        "  blesub | bleingest | blews                     watch at http://127.0.0.1:8765/\n"
        "  blescan --replay walk.pcap | blews --stay      look at a recording, without a database\n"
        "  curl -N http://127.0.0.1:8765/events           the events in a terminal");
}

std::optional<std::string> token_of(const BroadcastOptions &o) {
    return find_secret(o.token_file, "BLEPIPE_TOKEN");
}

Access access_of(const BroadcastOptions &o) {
    return {o.token, o.origins, is_own_machine(o.bind), !o.tls.cert.empty()};
}

WebSite::Options pages_of(const BroadcastOptions &o) {
    const auto folder = [](const std::string &path) {
        return path.empty() ? std::nullopt : std::optional<StaticFolder>(path);
    };
    return {folder(o.www.empty() ? find_dashboard() : o.www), folder(find_charts()), PathPrefix(o.prefix),
            TrustedProxies(o.proxies), static_cast<double>(o.rate)};
}

Workers::Options workers_of(const BroadcastOptions &o) {
    Workers::Options options;
    options.command = {program_folder() + "/blequery", "--serve", "--timeout",
                       std::to_string(std::chrono::duration<double>(o.question_timeout).count())};
    // Settings of ours are none of its; and what is in a command line all users see.
    options.environment = environment_without("BLEPIPE_");
    options.environment.push_back("BLEPIPE_DB=" + o.db);
    options.limit = o.question_timeout + 5s;
    return options;
}

void validate_broadcast_options(BroadcastOptions &o, const CommandLine &line) {
    validate_doctor(o.doctor, line);
    check_metrics_address(o.metrics, line);
    if (o.tls.cert.empty() != o.tls.key.empty())
        throw Error(ExitCode::usage, "TLS needs both --cert and --key");
    if (!o.tls.client_ca.empty() && o.tls.cert.empty())
        throw Error(ExitCode::usage, "--client-ca is for TLS: name --cert and --key too");
    if (o.client_timeout < 1s || o.client_timeout > 1h)
        throw Error(ExitCode::usage, "--client-timeout: between 1 s and 1 h");
    o.token = token_of(o);
    const bool token = access_of(o).needs_token();
    if (!token && o.tls.client_ca.empty() && !is_own_machine(o.bind) && !o.insecure)
        throw Error(ExitCode::config,
                    "--bind " + o.bind +
                        ": others could watch; set a token with --token-file (openssl rand -hex 32), "
                        "or say --insecure");
    if (token && o.tls.cert.empty() && !is_own_machine(o.bind))
        log_warning("without TLS (--cert, --key) the token can be read on the network");
    if (!o.tls.cert.empty()) check_tls(o.tls);
    if (!o.tls.key.empty()) guard_key_file(o.tls.key);
    pages_of(o);
    if (o.question_timeout < 100ms || o.question_timeout > 30s)
        throw Error(ExitCode::usage, "--question-timeout: between 0.1 s and 30 s");
    if (!o.db.empty()) Workers::check(workers_of(o));
}

}  // namespace ble
