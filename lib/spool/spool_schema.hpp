// The tables of a durable spool: whether a file is ours, and whether its contents are plausible.
//
// All in a file is data from outside: old cards flip bits, and people edit files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/timestamp.hpp"
#include "sqlite/database.hpp"

namespace ble {

// The version of its tables; 0: the file is empty. Throws Error(config) for a valid database of another program and
// for the spool of a newer version, and SqliteError(foreign) for one of ours that is damaged.
//
// A file with our application id, or with exactly our tables, is ours: one damaged place cannot change both.
int spool_version(Database &database);

void make_spool_tables(Database &database);
// Of an older version: adds what it has not, without touching a line. What is in it counts as stored now.
void upgrade_spool_tables(Database &database);

// Reads the whole file. What is wrong with it, or with its numbers; empty: nothing.
std::string damage_of_spool(Database &database);

// When a row was stored; empty: its time cannot be, for it lies before 1970 or is yet to come.
std::optional<Time> time_of_row(std::int64_t since_ms, Time now);

}  // namespace ble
