#pragma once
#include <bits/stdc++.h>
int seven();
