#pragma once

#include <cohort/cohort.hpp>

#include <cohort/actor/system.hpp>

struct get {
    using reply = int;
    int key = 0;
};
struct drop {};
struct stranger {
    using reply = int;
};
using shelf = cohort::protocol<get, drop>;
