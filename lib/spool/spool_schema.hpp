// The tables of a durable spool: whose a file is, and whether what is in it can be.
//
// All that a file says is data from outside: a card that ages flips bits, and people edit files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/timestamp.hpp"
#include "sqlite/database.hpp"

namespace ble {

// The version of its tables; 0: the file is empty. Throws Error(config) for what is not ours to touch, a sound database of another program or
// the spool of a newer version, and SqliteError(foreign) for one of ours that is damaged.
//
// Ours is what has our application id or exactly our tables: one damaged place never takes both away.
int spool_version(Database &database);

void make_spool_tables(Database &database);
// Of an older version: adds what it has not, without touching a line. What is in it counts as stored now.
void upgrade_spool_tables(Database &database);

// Reads the whole file. What is wrong with it, or with its numbers; empty: nothing.
std::string damage_of_spool(Database &database);

// When a row was stored; empty: its time cannot be, for it lies before 1970 or is yet to come.
std::optional<Time> time_of_row(std::int64_t since_ms, Time now);

}  // namespace ble
