"""A Django project in one file: ``POST /read`` with a file gives the picks as JSON.

In a project of your own, `read` is a view and `fleet` stands beside it; one client serves all
threads of a process, and opens its connections at the first captcha, so it may be made on import.

python examples/django_view.py 8080
curl --form captcha=@captcha.jpg http://127.0.0.1:8080/read
"""

import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from tilefleet import BadRequest, Client, FleetError, Overloaded

fleet = Client(retries=5)


@csrf_exempt
@require_POST
def read(request: HttpRequest) -> JsonResponse:
    try:
        answer = fleet.solve(request.FILES["captcha"], timeout=10)
    except KeyError:
        return JsonResponse({"error": "send a file called captcha"}, status=400)
    except BadRequest as error:
        return JsonResponse({"error": str(error)}, status=400)
    except Overloaded as error:
        wait = {"Retry-After": str(round(error.drain_s or 1) or 1)}
        return JsonResponse({"error": str(error)}, status=503, headers=wait)
    except FleetError as error:
        return JsonResponse({"error": str(error)}, status=503)
    return JsonResponse({"picks": answer.picks, "points": answer.points})


urlpatterns = [path("read", read)]

if __name__ == "__main__":
    settings.configure(
        ROOT_URLCONF=__name__, SECRET_KEY="for this example only", ALLOWED_HOSTS=["127.0.0.1"]
    )
    application = get_wsgi_application()
    execute_from_command_line(["django", "runserver", "--noreload", sys.argv[1]])
