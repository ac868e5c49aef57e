#pragma once

/// Everything an application writes actors with.
#include <cohort/actor/system.hpp>
#include <cohort/task/combinators.hpp>
