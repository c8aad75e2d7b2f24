"""Serves the skills of a folder with FastMCP, over standard input and output.

usage: skills-server.py FOLDER
"""

import sys
from pathlib import Path

from fastmcp import FastMCP
from fastmcp.server.providers.skills import SkillsDirectoryProvider
from fastmcp.skills.extension import SkillsExtension

provider = SkillsDirectoryProvider(roots=Path(sys.argv[1]), experimental_skills=True)
server = FastMCP("skills", providers=[provider])
server.add_extension(SkillsExtension(providers=[provider]))
server.run(show_banner=False)
