// Could this machine scan? A list of what a scan needs, what is there, and what to do about the rest.
#pragma once

#include <string>
#include <vector>

namespace ble {

struct Check {
    enum class Verdict {
        ok,
        warning,  // a scan can start; something else cannot, or is in doubt
        failed,   // no scan can start
        unknown,  // a check before it failed
    };
    const char *name;  // "kernel", "rfkill", "D-Bus", …: one word
    Verdict verdict = Verdict::unknown;
    std::string found;   // for people, one line
    std::string advice;  // what to type or to do; empty: nothing
};

// Looks at everything, changes nothing. All checks, always the same ones in the same order. Takes some seconds at most.
std::vector<Check> examine_radio();

bool could_scan(const std::vector<Check> &checks);
std::string print_for_people(const std::vector<Check> &checks);
// {"could_scan":true,"checks":[{"check":"kernel","verdict":"ok","found":"…"[,"advice":"…"]},…]}
std::string print_as_json(const std::vector<Check> &checks);

}  // namespace ble
