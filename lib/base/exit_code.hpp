// The exit codes of every tool: the names and numbers of sysexits(3).
#pragma once

namespace ble {

enum class ExitCode : int {
    ok = 0,            // done, or politely stopped
    usage = 64,        // the command line is wrong
    data = 65,         // the input is wrong (--strict)
    unavailable = 69,  // a thing needed is absent or taken: adapter, broker, the pipe's other reader
    software = 70,     // a bug of ours
    system = 71,       // the system refused something: descriptors, memory, pipe quota
    io = 74,           // reading or writing failed; the reader of our output is gone
    temporary = 75,    // try later: the queue could not be drained, the count was not reached
    protocol = 76,     // the peer broke its protocol
    permission = 77,   // rights are missing
    config = 78,       // the environment or a configuration file is wrong
};

}  // namespace ble
