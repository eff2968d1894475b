#include "batch/finding.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/command_line.hpp"
#include "base/error.hpp"
#include "base/host.hpp"
#include "base/line_writer.hpp"
#include "batch/json_text.hpp"

namespace ble {
namespace {

using Verdict = Finding::Verdict;

constexpr std::uint64_t MiB = 1 << 20, too_little = 16 * MiB, little = 512 * MiB;

std::string word(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok:
            return "ok";
        case Verdict::warning:
            return "warning";
        case Verdict::failed:
            return "failed";
        case Verdict::unknown:
            return "unknown";
    }
    return {};
}

std::string padded(std::string text, std::size_t width) {
    return text.append(std::max(width, text.size() + 1) - text.size(), ' ');
}

void add_member(std::string &out, const char *name, std::string_view value) {
    if (out.back() != '{') out += ',';
    out.append("\"").append(name).append("\":");
    append_json_string(out, value);
}

}  // namespace

void declare_doctor(DoctorOptions &options, CommandLine &line, const std::string &looks_at) {
    line.flag("--doctor", options.asked, "check " + looks_at + ", say what to type for each fault, and end");
    line.flag("--json", options.json, "print the result of --doctor as JSON, for scripts");
}

void validate_doctor(const DoctorOptions &options, const CommandLine &line) {
    if (options.json && !options.asked)
        throw Error(line.on_command_line("--json") ? ExitCode::usage : ExitCode::config,
                    "--json is for --doctor: batches are JSON anyway");
}

Finding Finding::ok(std::string check, std::string found) {
    return {std::move(check), Verdict::ok, std::move(found), {}};
}
Finding Finding::warning(std::string check, std::string found, std::string advice) {
    return {std::move(check), Verdict::warning, std::move(found), std::move(advice)};
}
Finding Finding::failed(std::string check, std::string found, std::string advice) {
    return {std::move(check), Verdict::failed, std::move(found), std::move(advice)};
}
Finding Finding::unknown(std::string check, std::string found) {
    return {std::move(check), Verdict::unknown, std::move(found), {}};
}

bool works(const Findings &findings) {
    return std::none_of(findings.begin(), findings.end(),
                        [](const Finding &finding) { return finding.verdict == Verdict::failed; });
}

Findings where_one_is_enough(std::vector<Findings> servers, std::initializer_list<std::string_view> checks) {
    const bool one_works = std::any_of(servers.begin(), servers.end(), works);
    Findings all;
    for (auto &server : servers)
        for (auto &finding : server) {
            const bool excused = std::find(checks.begin(), checks.end(), finding.check) != checks.end();
            if (one_works && excused && finding.verdict == Verdict::failed) {
                finding.verdict = Verdict::warning;
                finding.found += "; another one works";
            }
            all.push_back(std::move(finding));
        }
    return all;
}

std::string print_for_people(const Findings &findings, const Conclusion &conclusion) {
    std::string text;
    for (const auto &finding : findings) {
        text += padded(word(finding.verdict), 9);
        text += finding.found.empty() ? finding.check : padded(finding.check, 12) + finding.found;
        text += '\n';
        if (!finding.advice.empty()) text.append(21, ' ').append("-> ").append(finding.advice) += '\n';
    }
    return text + (works(findings) ? conclusion.works : conclusion.no);
}

std::string print_as_json(const Findings &findings, const Conclusion &conclusion) {
    std::string text =
        std::string("{\"") + conclusion.name + "\":" + (works(findings) ? "true" : "false") + ",\"checks\":[";
    for (const auto &finding : findings) {
        text += text.back() == '[' ? "{" : ",{";
        add_member(text, "check", finding.check);
        add_member(text, "verdict", word(finding.verdict));
        if (!finding.found.empty()) add_member(text, "found", finding.found);
        if (!finding.advice.empty()) add_member(text, "advice", finding.advice);
        text += '}';
    }
    return text + "]}";
}

ExitCode report(const Findings &findings, const Conclusion &conclusion, const DoctorOptions &options) {
    LineWriter answer(STDOUT_FILENO);
    answer.line(options.json ? print_as_json(findings, conclusion) : print_for_people(findings, conclusion));
    answer.flush();
    return works(findings) ? ExitCode::ok : ExitCode::unavailable;
}

Finding examine_clock() {
    const auto synced = kernel_clock_synced();
    if (!synced)
        return Finding::warning(
            "clock", "a sandbox does not let us ask the kernel: batches say that it is not synchronised",
            "in a systemd unit: ProtectClock=no, SystemCallFilter=adjtimex clock_adjtime clock_adjtime64");
    if (*synced) return Finding::ok("clock", "synchronised");
    return Finding::warning("clock", "not synchronised: batches say so",
                            "sudo timedatectl set-ntp true; timedatectl");
}

Finding examine_room(const std::string &check, const std::string &path) {
    if (path.empty()) return Finding::ok(check, "none is kept");
    const auto folder = std::filesystem::absolute(path).parent_path().string();
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
        const std::string why = std::strerror(errno);
        return errno == ENOENT
                   ? Finding::failed(check, folder + ": there is no such folder", "mkdir -p " + folder)
                   : Finding::failed(check, folder + ": we may not write there: " + why,
                                     "ls -ld " + folder + "; run it as the folder's owner");
    }
    struct statvfs disk {};
    if (::statvfs(folder.c_str(), &disk) != 0)
        return Finding::unknown(check, folder + ": " + std::strerror(errno));
    const auto free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
    const std::string found = std::to_string(free / MiB) + " MiB are free in " + folder;
    const std::string advice = "df -h " + folder + "; make room there";
    if (free < too_little) return Finding::failed(check, found, advice);
    return free < little ? Finding::warning(check, found, advice) : Finding::ok(check, found);
}

}  // namespace ble
