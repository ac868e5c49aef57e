# README shows the program that is built against the installed library, to the letter.
file(READ ${SOURCE}/README.md readme)
file(READ ${SOURCE}/tests/consumer/project/main.cpp program)
string(FIND "${readme}" "```cpp\n${program}```" found)
if(found EQUAL -1)
  message(FATAL_ERROR "README.md does not hold tests/consumer/project/main.cpp word for word")
endif()
