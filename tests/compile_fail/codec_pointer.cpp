// expect: cannot serialize a pointer.*hold the value itself
#include <cohort/runtime/codec.hpp>

#include <vector>

struct node {
    int value = 0;
    node* next = nullptr;
};
struct message {
    std::vector<node> nodes;
};

static_assert(cohort::check_serializable<message>());
