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
              "address to listen on; others than loopback need a key or --insecure");
    line.number("-p,--port N", o.port, 0, 65535,
                "port to listen on; 0: the system chooses, the log says which");
    line.text("--cert FILE", o.tls.cert, "PEM file with the certificate chain: serve HTTPS");
    line.text("--key FILE", o.tls.key, "PEM file with the certificate's private key");
    line.text("--client-ca FILE", o.tls.client_ca,
              "PEM file of authorities: clients need a certificate that one of them has issued");
    line.text("--prefix PATH", o.prefix, "path that a proxy passes on before those of blerecv, as /ble");
    line.texts("--trusted-proxy ADDRESS", o.proxies,
               "address of a proxy; it may say who the client is (X-Forwarded-For)");
    line.number("--max-clients", o.max_clients, 1, 65000,
                "connections at once; further ones are answered 503");
    line.number("--max-clients-per-address", o.share, 0, 65000,
                "of them, from one address; 0: a quarter, 16 at least");
    line.number("--max-rate", o.rate, 0, 1'000'000,
                "requests a second of one key, or of one address; 0: any number");
    line.duration("--client-timeout", o.client_timeout,
                  "a client that takes longer than this to send a request is disconnected");
    declare_metrics_address(o.metrics, line);
    line.group("Who may send");
    line.text("--api-keys-file FILE", o.keys_file,
              "lines DEVICE:HASH of the keys that clients show as X-API-Key (or one key in the environment: "
              "API_KEY)");
    declare_doctor(o.doctor, line, "the port, the certificate and the keys");
    line.text("--make-key DEVICE", o.new_key,
              "print such a line, and the new key itself on standard error, and end; '*': for all devices",
              "-");
    line.texts("--origin ORIGIN", o.origins,
               "clients may call it by this name too, as https://board.example.org; '*': by any name");
    line.flag("--insecure", o.insecure, "take batches from anybody, on an address that others can reach");
    line.group("Ending");
    line.number("-n,--count N", o.count, 0, INT64_MAX, "end when this many batches were consumed; 0: never");
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
                    " keys as they are, each of which may send for every device: make one for each by "
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
