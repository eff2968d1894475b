// What --doctor of a command has found: a list of what the command needs, what is there, and what to do about the rest.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/exit_code.hpp"

namespace ble {

class CommandLine;

// --doctor and --json, which print findings instead of working.
struct DoctorOptions {
    bool asked = false, json = false;
};
// `looks_at`: for --help, as "what a scan needs".
void declare_doctor(DoctorOptions &options, CommandLine &line, const std::string &looks_at);
// Error(usage), or Error(config) from the environment, for --json without --doctor.
void validate_doctor(const DoctorOptions &options, const CommandLine &line);

struct Finding {
    enum class Verdict {
        ok,
        warning,  // the command works; something else does not, or is in doubt
        failed,   // the command does not work
        unknown,  // could not be looked at, as when one before it failed
    };
    std::string check;  // "kernel", "broker", "clock", …: one word of at most 11 characters
    Verdict verdict = Verdict::unknown;
    std::string found;   // for people, one line
    std::string advice;  // what to type or to do; empty: nothing

    static Finding ok(std::string check, std::string found);
    static Finding warning(std::string check, std::string found, std::string advice);
    static Finding failed(std::string check, std::string found, std::string advice);
    static Finding unknown(std::string check, std::string found = {});
};
using Findings = std::vector<Finding>;

// What was found at each of several servers, of which one is enough: all of it, in order. Where one works, what failed at the others is a
// warning, if it is one of `checks`.
Findings where_one_is_enough(std::vector<Findings> servers, std::initializer_list<std::string_view> checks);

// How a report ends.
struct Conclusion {
    const char *name;        // of the member of the JSON object
    const char *works, *no;  // for people
};

// Has nothing failed?
bool works(const Findings &findings);
std::string print_for_people(const Findings &findings, const Conclusion &conclusion);
// {"NAME":true,"checks":[{"check":"kernel","verdict":"ok","found":"…"[,"advice":"…"]},…]}
std::string print_as_json(const Findings &findings, const Conclusion &conclusion);

// Writes the one or the other on standard output. The command ends with what it returns: ok, or unavailable when something has failed.
ExitCode report(const Findings &findings, const Conclusion &conclusion, const DoctorOptions &options);

// What several commands need. Is the machine's clock synchronised?
Finding examine_clock();
// May we write in the folder of this file, and has it room? `check` names the finding.
Finding examine_room(const std::string &check, const std::string &path);

}  // namespace ble
