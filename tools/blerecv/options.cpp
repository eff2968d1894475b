#include "blerecv/options.hpp"

#include <cstdlib>

#include "base/error.hpp"
#include "base/host.hpp"
#include "base/log.hpp"
#include "base/mistyped.hpp"
#include "base/secret.hpp"
#include "server/metrics_site.hpp"
#include "server/path_prefix.hpp"
#include "server/trusted_proxies.hpp"

namespace ble {

void declare_serve_options(ServeOptions &o, CommandLine &line) {
    line.group("Listening");
    line.text("-b,--bind ADDRESS", o.bind,
              "address to listen on; an address other than loopback needs a key or --insecure");
    line.number("-p,--port N", o.port, 0, 65535, "port to listen on; 0: any free port, which is logged");
    line.text("--cert FILE", o.tls.cert, "PEM file with the certificate chain: serve HTTPS");
    line.text("--key FILE", o.tls.key, "PEM file with the certificate's private key");
    line.text("--client-ca FILE", o.tls.client_ca,
              "PEM file of authorities: clients need a certificate issued by one of them");
    line.text("--prefix PATH", o.prefix, "path that a proxy puts before the paths of blerecv, as /ble");
    line.texts("--trusted-proxy ADDRESS", o.proxies,
               "address of a proxy; it may say who the client is (X-Forwarded-For)");
    line.number("--max-clients", o.max_clients, 1, 65000,
                "most connections at the same time; more get the answer 503");
    line.number("--max-clients-per-address", o.share, 0, 65000,
                "most of them from one address; 0: a quarter, but at least 16");
    line.number("--max-rate", o.rate, 0, 1'000'000,
                "most requests a second with one key, or from one address; 0: no limit");
    line.duration("--client-timeout", o.client_timeout,
                  "disconnect a client that needs longer than this to send a request");
    declare_metrics_address(o.metrics, line);
    line.group("Who may send");
    line.text("--api-keys-file FILE", o.keys_file,
              "file of keys that clients send as X-API-Key; lines DEVICE:HASH, made by --make-key (or one "
              "key in the environment: API_KEY)");
    declare_doctor(o.doctor, line, "the port, the certificate and the keys");
    line.text(
        "--make-key DEVICE", o.new_key,
        "make a key: print its line, and the key itself on standard error, and end; '*': for all devices",
        "-");
    line.texts("--origin ORIGIN", o.origins,
               "clients may also use this name for the server, as https://board.example.org; '*': any name");
    line.flag("--insecure", o.insecure,
              "accept batches from anybody, also on an address that others can reach");
    line.group("Ending");
    line.number("-n,--count N", o.count, 0, INT64_MAX,
                "end when the reader has consumed N batches; 0: never");
    line.stray([](const std::string &word) {
        if (is_number(word)) return "--port " + word;
        return is_file(word) || is_url(word) ? std::string() : "--bind " + word;
    });
    line.epilogue(
        "Examples:\n"
        "  blerecv | bleingest --db ble.db\n"
        "  blerecv --make-key pi-1 >>keys         (the key is shown once)\n"
        "  curl -H 'Content-Type: application/json' -d @batch.json \\\n"
        "       http://127.0.0.1:8000/api/v1/detections/bulk");
}

ApiKeys read_keys(const ServeOptions &o) {
    const auto text = find_secrets(o.keys_file, "API_KEY");
    if (!text) return {};
    const char *alone = std::getenv("API_KEY");
    const bool file = !o.keys_file.empty() || alone == nullptr || *alone == '\0';
    const std::string source = !o.keys_file.empty() ? o.keys_file : file ? "the file of API_KEY" : "API_KEY";
    ApiKeys keys(*text, source);
    if (file && keys.plain() > 0)
        log_warning(source + " holds " + std::to_string(keys.plain()) +
                    " keys that may send for every device: make a key for each device by "
                    "blerecv --make-key DEVICE >>FILE");
    if (keys.too_short() > 0)
        log_warning(source +
                    " holds a key of less than 16 characters, which can be guessed: make a longer one "
                    "by blerecv --make-key DEVICE");
    return keys;
}

Access access_of(const ServeOptions &o) {
    // Whoever knows a key need not be protected from what a page has its browser do.
    return {{}, o.origins, is_own_machine(o.bind) && o.keys.everybody_may(), !o.tls.cert.empty()};
}

void validate_serve_options(ServeOptions &o, const CommandLine &line) {
    if (const auto reason = why_no_key_device(o.new_key); line.given("--make-key") && !reason.empty())
        throw Error(ExitCode::usage, "--make-key: name a device_id, or '*' for all: " + reason);
    if (!o.new_key.empty()) return;
    validate_doctor(o.doctor, line);
    if (o.tls.cert.empty() != o.tls.key.empty())
        throw Error(ExitCode::usage, "--cert and --key belong together: name both or neither");
    if (!o.tls.client_ca.empty() && o.tls.cert.empty())
        throw Error(ExitCode::usage, "--client-ca is for TLS: name --cert and --key too");
    if (o.client_timeout < std::chrono::seconds(1) || o.client_timeout > std::chrono::hours(1))
        throw Error(ExitCode::usage, "--client-timeout: between 1 s and 1 h");
    [[maybe_unused]] const PathPrefix prefix(o.prefix);
    check_metrics_address(o.metrics, line);
    if (!o.tls.cert.empty()) check_tls(o.tls);
    if (!o.tls.key.empty()) guard_key_file(o.tls.key);
    o.keys = read_keys(o);
    if (!o.keys.everybody_may() && o.keys.size() == 0)
        throw Error(ExitCode::config,
                    "the file of keys holds none: make one with blerecv --make-key DEVICE >>FILE");
    access_of(o);
    [[maybe_unused]] const TrustedProxies proxies(o.proxies);
    if (is_own_machine(o.bind)) return;
    if (o.keys.everybody_may() && o.tls.client_ca.empty() && !o.insecure)
        throw Error(ExitCode::config,
                    "refusing to take batches from anybody who can reach " + o.bind +
                        ": name the keys with --api-keys-file or API_KEY, or --client-ca, or say --insecure");
    if (!o.keys.everybody_may() && o.tls.cert.empty())
        log_warning("without TLS (--cert, --key) the clients' keys can be read on the network");
}

}  // namespace ble
