"""What is done: pipelines, their steps, and the providers at the border to everything outside."""

from pkgutil import extend_path

# A folder `pipelines` elsewhere on the path adds pipelines to these: a new one is one new file, here or there.
__path__ = extend_path(__path__, __name__)
