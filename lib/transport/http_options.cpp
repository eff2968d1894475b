#include <curl/curl.h>
#include <unistd.h>

#include <cstdlib>
#include <iterator>
#include <sstream>

#include "base/command_line.hpp"
#include "base/file.hpp"
#include "base/host.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"
#include "transport/http.hpp"

namespace ble {
namespace {

Error wrong(const CommandLine &line, const std::string &option, const std::string &text) {
    return Error(line.given(option) && !line.on_command_line(option) ? ExitCode::config : ExitCode::usage,
                 text);
}

std::string part(CURLU *url, CURLUPart which, unsigned flags = 0) {
    char *text = nullptr;
    if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
    std::string copy(text);
    curl_free(text);
    return copy;
}

// Empty: the URL can be used.
std::string fault_of_url(const std::string &text) {
    const std::unique_ptr<CURLU, void (*)(CURLU *)> url(curl_url(), curl_url_cleanup);
    if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return "it is malformed";
    const std::string scheme = part(url.get(), CURLUPART_SCHEME);
    if (scheme != "http" && scheme != "https") return "it does not begin with http:// or https://";
    if (!part(url.get(), CURLUPART_USER).empty() || !part(url.get(), CURLUPART_PASSWORD).empty())
        return "a password does not belong there, the key goes to --api-key-file or HTTP_API_KEY";
    if (!part(url.get(), CURLUPART_QUERY).empty() || !part(url.get(), CURLUPART_FRAGMENT).empty())
        return "it must end with a path, because blesend appends paths to it";
    return {};
}

// A variable may have blanks, or commas and blanks, between its URLs.
std::vector<std::string> parts_at_blanks(const std::vector<std::string> &texts) {
    std::vector<std::string> parts;
    for (const std::string &text : texts) {
        std::istringstream words(text);
        parts.insert(parts.end(), std::istream_iterator<std::string>(words), {});
    }
    return parts;
}

void check_readable(const CommandLine &line, const std::string &option, const std::string &path) {
    const auto code = line.on_command_line(option) ? ExitCode::usage : ExitCode::config;
    refuse_pipe(path, code);
    if (!path.empty() && ::access(path.c_str(), R_OK) != 0) throw file_error("read " + option, path, code);
}

}  // namespace

void declare_http_options(HttpOptions &options, CommandLine &line) {
    line.text("--api-key-file FILE", options.api_key_file,
              "file that holds the API key, sent as X-API-Key (or HTTP_API_KEY, or HTTP_API_KEY_FILE names "
              "the file)",
              "-");
    line.duration("--timeout", options.timeout, "give up a request after this long", "HTTP_TIMEOUT");
}

void validate_http_options(HttpOptions &options, const CommandLine &line) {
    if (!line.on_command_line("--url")) options.urls = parts_at_blanks(options.urls);
    if (options.urls.empty()) options.urls = {"http://localhost:8000"};
    for (auto &url : options.urls) {
        if (const auto fault = fault_of_url(url); !fault.empty())
            throw wrong(
                line, "--url",
                "unable to use --url (HTTP_BASE_URL): " + fault + "; write http[s]://HOST[:PORT][/PATH]");
        while (url.ends_with('/')) url.pop_back();
    }
    if (options.timeout < std::chrono::milliseconds(1))
        throw wrong(line, "--timeout", "--timeout (HTTP_TIMEOUT) must be longer than 0");
    if (options.insecure && !(options.cafile.empty() && options.capath.empty()))
        throw wrong(
            line, "--insecure",
            "--insecure checks no certificate: leave out --cafile and --capath, or leave out --insecure");
    for (const auto &url : options.urls) {
        if (server_of(url).tls) continue;  // whoever names one of these expects a secret to stay one
        for (const auto *option : {"--tls", "--cafile", "--capath", "--cert", "--key", "--insecure"})
            if (line.on_command_line(option))
                throw Error(ExitCode::usage, std::string(option) + " and --url contradict each other: " +
                                                 url + " is not encrypted, https:// is");
    }
    if (!options.key.empty() && options.cert.empty()) throw wrong(line, "--key", "--key needs --cert");
    check_readable(line, "--cafile", options.cafile);
    check_readable(line, "--capath", options.capath);
    check_readable(line, "--cert", options.cert);
    check_readable(line, "--key", options.key);
    if (!options.key.empty()) guard_key_file(options.key);
    options.api_key = find_api_key(options);
}

std::optional<std::string> find_api_key(const HttpOptions &options) {
    auto key = find_key(options.api_key_file, "HTTP_API_KEY");
    if (key && key->find('\r') != std::string::npos)
        throw Error(ExitCode::config, "the API key has a carriage return in it: write it as one line");
    return key;
}

void warn_of_plain_key(const HttpOptions &options) {
    if (!options.api_key) return;
    for (const auto &url : options.urls) {
        const HttpServerName server = server_of(url);
        if (!server.tls && !is_own_machine(server.host))
            log_warning(
                "the API key goes over the network to " + server.host +
                " unencrypted, where others can read it: give the server a certificate, and use https://");
    }
}

CurlTls tls_of(const HttpOptions &options) {
    return {options.cafile, options.capath, options.cert, options.key, options.insecure};
}

TlsPeer http_peer(const std::string &url, const CurlTls &tls) {
    HttpServerName server = server_of(url);
    return {std::move(server.host),
            "",
            server.port,
            tls.cafile,
            tls.capath,
            tls.cert,
            tls.key,
            tls.insecure,
            TlsPeer::Protocol::http,
            server.tls};
}

HttpServerName server_of(const std::string &text) {
    const std::unique_ptr<CURLU, void (*)(CURLU *)> url(curl_url(), curl_url_cleanup);
    curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0);
    std::string host = part(url.get(), CURLUPART_HOST);
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    const std::string port = part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
    return {host, static_cast<std::uint16_t>(std::strtoul(port.c_str(), nullptr, 10)),
            part(url.get(), CURLUPART_SCHEME) == "https"};
}

}  // namespace ble
